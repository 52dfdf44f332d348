"""Publisher, topics and cursors against a broker: what counts, what is held back, what is refused, what is
stored.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not for type checkers
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from producer.cursors import CursorStore, Position
from producer.dead_letters import Letter
from producer.errors import BrokerAwayError, CursorError, PublishAbandonedError, PublishFailedError
from producer.partitioning import partition_of
from producer.publisher import Publisher, Target, producer_properties
from producer.topics import Topics
from producer.waiting import Waiting
from runtime.errors import DependencyError
from runtime.kafka import client_properties
from runtime.settings import Settings, load_settings
from schemas.names import Names
from tests.integration.producer.support import messages

AT = datetime(2026, 1, 1, tzinfo=UTC)


def target_of(settings: Settings, source: str = "weather") -> Target:
    names, topics = Names(settings.topic_prefix), Topics(client_properties(settings.kafka), settings.producer)
    topic = names.topic(source)
    topics.ensure_cursors(names.cursors)
    limit = topics.ensure_source(topic, names.dead_letter_topic(topic))
    return Target(source, topic, names.dead_letter_topic(topic), names.cursors, limit)


@contextmanager
def publishing(
    settings: Settings,
    target: Target,
    *,
    in_flight: int = 100_000,
    abandon: threading.Event | None = None,
    waiting: Waiting | None = None,
    **properties: Any,
) -> Iterator[Publisher]:
    with Publisher(
        {**producer_properties(settings, target), **properties},
        target,
        in_flight=in_flight,
        abandon=abandon or threading.Event(),
        waiting=waiting or Waiting("acknowledgements"),
    ) as publisher:
        yield publisher


def store_of(settings: Settings) -> CursorStore:
    topics = Topics(client_properties(settings.kafka), settings.producer)
    cursors = Names(settings.topic_prefix).cursors
    return CursorStore(client_properties(settings.kafka), cursors, lambda: topics.partitions(cursors))


def batch(count: int, size: int = 100) -> list[dict[str, Any]]:
    return [{"key": b"%d" % number, "value": b"x" * size} for number in range(count)]


def test_what_is_published_is_there_and_counted(settings: Settings) -> None:
    target = target_of(settings)
    with publishing(settings, target) as publisher:
        for _ in range(3):
            assert publisher.publish(batch(1000)) == []
        publisher.dead_letter(Letter(b"{}", [("reason", b"validation")]))
        publisher.flush()
        assert publisher.published == 3000
    assert len(messages(settings, target.topic)) == 3000
    [letter] = messages(settings, target.dead_letter_topic)
    assert letter.headers() == [("reason", b"validation")]


def test_a_too_large_message_is_a_hole_and_its_neighbours_are_published(settings: Settings) -> None:
    target = target_of(settings)
    sent = batch(10)
    sent[4]["value"] = sent[9]["value"] = b"x" * 3_000_000
    with publishing(settings, target) as publisher:
        assert publisher.publish(sent) == [4, 9]
        publisher.flush()
        assert publisher.published == 8
    assert {message.key() for message in messages(settings, target.topic)} == {
        b"%d" % number for number in (0, 1, 2, 3, 5, 6, 7, 8)
    }


def test_a_full_queue_holds_the_caller_back_and_loses_nothing(settings: Settings) -> None:
    target = target_of(settings)
    small: dict[str, Any] = {"queue.buffering.max.kbytes": 1024}
    with publishing(settings, target, **small) as publisher:
        for _ in range(5):
            sent = batch(2000, size=2000)
            assert publisher.publish(sent) == []
            assert not any("_error" in message for message in sent)
        publisher.flush()
        assert publisher.published == 10_000
    assert len(messages(settings, target.topic)) == 10_000


def test_no_more_than_the_bound_is_in_flight(settings: Settings) -> None:
    target = target_of(settings)
    with publishing(settings, target, in_flight=500) as publisher:
        for number in range(20):
            publisher.publish(batch(1000))
            assert 1000 * (number + 1) - publisher.published <= 500 + 1000


def test_published_counts_only_what_is_acknowledged(settings: Settings) -> None:
    """Nobody answers: everything is queued, nothing counted; abandoning says so and is quick."""
    target = target_of(settings)
    nowhere = load_settings({"kafka": {"bootstrap_servers": "127.0.0.1:1"}}, env={})
    abandon = threading.Event()
    with publishing(nowhere, target, abandon=abandon) as publisher:
        publisher.publish(batch(1000))
        assert publisher.published == 0
        abandon.set()
        with pytest.raises(PublishAbandonedError, match="1000 messages unacknowledged"):
            publisher.checkpoint(Position("weather", 5, "r1", AT, None))
    assert store_of(settings).load("weather") is None


def test_a_run_that_gives_up_waits_no_longer(settings: Settings) -> None:
    target, changes = target_of(settings), list[bool]()
    nowhere = load_settings({"kafka": {"bootstrap_servers": "127.0.0.1:1"}}, env={})
    abandon = threading.Event()
    abandon.set()
    waiting = Waiting("acknowledgements", on_change=changes.append, quiet=0)

    def in_vain() -> None:
        with publishing(nowhere, target, abandon=abandon, waiting=waiting) as publisher:
            publisher.publish(batch(10))
            publisher.flush()

    with pytest.raises(PublishAbandonedError):
        in_vain()
    assert changes == [True, False]


@pytest.mark.requires_kafka
def test_a_refusal_by_the_broker_fails_the_run_and_not_the_count(settings: Settings) -> None:
    target = target_of(settings)
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    smaller = ConfigEntry("max.message.bytes", "2000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, target.topic, incremental_configs=[smaller])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)
    with publishing(settings, target) as publisher:
        publisher.publish([{"key": b"1", "value": os.urandom(3000)}])
        with pytest.raises(PublishFailedError, match="too large"):
            publisher.checkpoint(Position("weather", 5, "r1", AT, None))
    assert store_of(settings).load("weather") is None
    assert target_of(settings).max_message_bytes == 2000


def test_topics_are_made_for_replay_and_cursors_compacted(settings: Settings) -> None:
    target = target_of(settings)
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    asked = {target.topic: "retention.ms", target.dead_letter_topic: "retention.ms"}
    asked[target.cursors_topic] = "cleanup.policy"
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in asked]
    answers = {
        resource.name: future.result(10) for resource, future in admin.describe_configs(resources).items()
    }
    assert {topic: answers[topic][name].value for topic, name in asked.items()} == {
        target.topic: "-1",
        target.dead_letter_topic: "-1",
        target.cursors_topic: "compact",
    }


def test_topics_that_are_there_are_left_as_they_are(settings: Settings) -> None:
    assert target_of(settings) == target_of(settings)


def test_a_cursor_is_read_back_from_its_one_partition(settings: Settings) -> None:
    target, store = target_of(settings), store_of(settings)
    assert store.load("weather") is None
    with publishing(settings, target) as publisher:
        for number in range(5):
            publisher.checkpoint(Position("weather", {"page": number}, f"r{number}", AT, AT))
    for source in ("news", "flights", "a", "b"):
        with publishing(settings, target_of(settings, source)) as publisher:
            publisher.checkpoint(Position(source, source, "r", AT, None))
    assert store.load("weather") == Position("weather", {"page": 4}, "r4", AT, AT)
    assert set(store.load_all()) == {"weather", "news", "flights", "a", "b"}
    placed = {message.key(): message.partition() for message in messages(settings, target.cursors_topic)}
    partitions = Topics(client_properties(settings.kafka), settings.producer).partitions(target.cursors_topic)
    assert placed == {key: partition_of(key or b"", partitions) for key in placed}


def test_a_cursor_that_nobody_of_us_wrote_stops_its_source_with_words(settings: Settings) -> None:
    target = target_of(settings)
    foreign = Producer(client_properties(settings.kafka, partitioner="murmur2_random"))
    foreign.produce(target.cursors_topic, b"not json", b"weather")
    foreign.produce(
        target.cursors_topic, b'{"cursor": 1, "run_id": "r", "at": "2026-01-01T00:00:00Z"}', b"news"
    )
    assert foreign.flush(10) == 0
    store = store_of(settings)
    with pytest.raises(CursorError, match="the cursor of weather at"):
        store.load("weather")
    assert set(store.load_all()) == {"news"}
    foreign.produce(target.cursors_topic, None, b"weather")
    assert foreign.flush(10) == 0
    assert store.load("weather") is None


def test_an_absent_broker_is_named_within_the_deadline() -> None:
    nowhere = load_settings({"kafka": {"bootstrap_servers": "127.0.0.1:1"}}, env={})
    properties = client_properties(nowhere.kafka)
    topics = Topics(properties, nowhere.producer, timeout=0.5)
    fault = topics.reachable() or ""
    assert "the broker does not answer" in fault
    assert "Connection refused" in fault
    with pytest.raises(BrokerAwayError):
        topics.ensure_cursors("_ingest.cursors")
    # Not a guess: records between the guess and the topic's own limit would become dead letters.
    with pytest.raises(BrokerAwayError, match="does not say what weather takes"):
        topics._message_bytes(["weather"])  # noqa: SLF001 - the broker goes after the topics were found
    with pytest.raises((DependencyError, KafkaException)):
        CursorStore(properties, "_ingest.cursors", lambda: 1, timeout=0.5).load("weather")
