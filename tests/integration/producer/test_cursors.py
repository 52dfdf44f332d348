"""What the cursors topic holds, and when it can be believed to hold nothing."""

import threading

import pytest
from confluent_kafka import Producer

from producer.cursors import CursorStore
from producer.errors import CursorError
from producer.partitioning import partition_of
from producer.topics import Topics
from runtime.errors import DependencyError
from runtime.kafka import client_properties
from runtime.settings import Settings
from schemas.names import Names
from tests.integration.producer.publishing import (
    checkpoint_of,
    closing,
    publishing,
    store_of,
    target_of,
    topics_of,
)
from tests.integration.producer.support import messages, parts_for


def store(settings: Settings, *, timeout: float) -> CursorStore:
    topic = Names(settings.topic_prefix).cursors
    return CursorStore(client_properties(settings.kafka), topic, lambda: 1, timeout=timeout)


def test_a_topic_just_created_holds_no_cursor(settings: Settings) -> None:
    with parts_for(settings) as parts:
        assert parts.cursors.load_all() == {}
        assert parts.cursors.load("readings") is None


def test_a_topic_that_the_broker_does_not_know_is_not_one_without_cursors(settings: Settings) -> None:
    unknown = store(settings, timeout=1.0)
    with pytest.raises(DependencyError, match="Unknown topic"):
        unknown.load_all()
    with pytest.raises(DependencyError, match="Unknown topic"):
        unknown.load("readings")


def test_a_topic_that_becomes_known_while_it_is_waited_for_is_read(settings: Settings) -> None:
    topics = Topics(client_properties(settings.kafka), settings.producer)
    waited = store(settings, timeout=30.0)
    later = threading.Timer(0.5, topics.ensure_state, [Names(settings.topic_prefix)])
    later.start()
    try:
        assert waited.load_all() == {}
        assert topics.partitions(waited.topic) > 0
    finally:
        later.join()


def test_a_cursor_is_read_back_from_its_one_partition(settings: Settings) -> None:
    target, positions = target_of(settings), store_of(settings)
    assert positions.load("weather") is None
    with publishing(settings, target) as publisher:
        for number in range(1, 6):
            publisher.publish(checkpoint_of([]), closing(number=number))
    for source in ("news", "flights", "a", "b"):
        with publishing(settings, target_of(settings, source)) as publisher:
            publisher.publish(checkpoint_of([]), closing(source))
    assert positions.load("weather") == closing(number=5)({}).position
    assert set(positions.load_all()) == {"weather", "news", "flights", "a", "b"}
    placed = {message.key(): message.partition() for message in messages(settings, target.cursors_topic)}
    partitions = topics_of(settings).partitions(target.cursors_topic)
    assert placed == {key: partition_of(key or b"", partitions) for key in placed}


@pytest.mark.requires_kafka
def test_the_newest_cursor_is_found_behind_a_transaction_that_hangs(settings: Settings) -> None:
    """P2: a read_committed reader alone would stop before it, and find an older cursor."""
    target = target_of(settings)
    others = Names(settings.topic_prefix).cursors
    hanging = Producer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "transactional.id": f"{others}-hanging",
            "transaction.timeout.ms": 3000,
        }
    )
    with publishing(settings, target) as publisher:
        publisher.publish(checkpoint_of([]), closing())
        hanging.init_transactions(30)
        hanging.begin_transaction()
        for partition in range(topics_of(settings).partitions(others)):
            hanging.produce(others, b"{}", b"other", partition)
        hanging.flush(10)
        publisher.publish(checkpoint_of([]), closing(number=2))
        assert publisher.take_over() == closing(number=2)({}).position


def test_a_cursor_that_nobody_of_us_wrote_stops_its_source_with_words(settings: Settings) -> None:
    target = target_of(settings)
    foreign = Producer(client_properties(settings.kafka, partitioner="murmur2_random"))
    foreign.produce(target.cursors_topic, b"not json", b"weather")
    foreign.produce(
        target.cursors_topic, b'{"cursor": 1, "run_id": "r", "at": "2026-01-01T00:00:00Z"}', b"news"
    )
    assert foreign.flush(10) == 0
    positions = store_of(settings)
    with pytest.raises(CursorError, match="the cursor of weather at"):
        positions.load("weather")
    assert set(positions.load_all()) == {"news"}
    foreign.produce(target.cursors_topic, None, b"weather")
    assert foreign.flush(10) == 0
    assert positions.load("weather") is None
