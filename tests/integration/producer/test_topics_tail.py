"""`ingest topics tail` on topics that transactions have written: markers have offsets and are no records."""

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from cli.tail import last
from runtime.kafka import client_properties
from runtime.settings import Settings
from runtime.topic_reader import read_settled

pytestmark = pytest.mark.requires_kafka


@pytest.fixture
def topic(settings: Settings) -> str:
    name = f"{settings.topic_prefix}.tailed"
    admin = AdminClient(client_properties(settings.kafka))
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    return name


@pytest.fixture
def producer(settings: Settings, topic: str) -> Producer:
    producer = Producer(client_properties(settings.kafka, **{"transactional.id": topic}))
    producer.init_transactions(30)
    return producer


def write(producer: Producer, topic: str, value: bytes, *, aborted: bool = False) -> None:
    producer.begin_transaction()
    producer.produce(topic, value)
    producer.flush(30)
    (producer.abort_transaction if aborted else producer.commit_transaction)(30)


def values(settings: Settings, topic: str, limit: int) -> list[bytes | str | None]:
    # The broker answers a commit before its markers stand.
    properties = client_properties(settings.kafka, **{"group.id": "settled"})
    assert list(read_settled(properties, topic))
    return [message.value() for message in last(settings.kafka, topic, limit)]


def test_the_last_records_are_found_behind_markers(
    settings: Settings, topic: str, producer: Producer
) -> None:
    for number in range(4):
        write(producer, topic, b"%d" % number)
    assert values(settings, topic, 1) == [b"3"]
    assert values(settings, topic, 3) == [b"1", b"2", b"3"]
    assert values(settings, topic, 9) == [b"0", b"1", b"2", b"3"]


def test_what_lies_far_behind_aborted_records_is_found(
    settings: Settings, topic: str, producer: Producer
) -> None:
    write(producer, topic, b"kept")
    for _ in range(60):
        write(producer, topic, b"gone", aborted=True)
    assert values(settings, topic, 1) == [b"kept"]
