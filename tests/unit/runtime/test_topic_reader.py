"""Reading a topic to its end, on librdkafka's own broker."""

from collections.abc import Iterator
from itertools import count

import pytest
from confluent_kafka import Producer

from runtime.errors import DependencyError
from runtime.topic_reader import read_to_end

TOPIC = "t"


@pytest.fixture
def producer() -> Iterator[Producer]:
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 0, "linger.ms": 0})
    yield producer
    producer.flush(1)


def properties(producer: Producer) -> dict[str, object]:
    brokers = producer.list_topics(timeout=10).brokers.values()
    return {"bootstrap.servers": ",".join(str(each).split("/")[0] for each in brokers), "log_level": 0}


def publish(producer: Producer, number: int, partition: int = 0) -> None:
    for value in range(number):
        producer.produce(TOPIC, str(value), partition=partition)
    assert producer.flush(10) == 0


def read(producer: Producer, last: int | None = None, partitions: list[int] | None = None) -> list[str]:
    messages = read_to_end(properties(producer), TOPIC, last=last, partitions=partitions, timeout=20)
    values = [message.value() for message in messages]
    return [value.decode() for value in values if isinstance(value, bytes)]


def test_every_record_of_every_partition_comes_once(producer: Producer) -> None:
    publish(producer, 30, partition=0)
    publish(producer, 20, partition=1)
    assert sorted(read(producer)) == sorted([*map(str, range(30)), *map(str, range(20))])
    assert read(producer, partitions=[1]) == [*map(str, range(20))]


def test_the_last_ones_are_among_what_comes(producer: Producer) -> None:
    publish(producer, 30)
    assert read(producer, last=4)[-4:] == ["26", "27", "28", "29"]
    assert len(read(producer, last=4)) < 30
    assert len(read(producer, last=400)) == 30


def test_an_empty_topic_ends_at_once(producer: Producer) -> None:
    producer.list_topics(TOPIC, timeout=10)
    assert read(producer, partitions=[0]) == []


def test_a_broker_that_is_away_is_told_as_such() -> None:
    away = {"bootstrap.servers": "127.0.0.1:9", "log_level": 0}
    ticks = count(step=10)
    with pytest.raises(DependencyError, match="Reading topic t to its end: partitions \\[0\\] gave nothing"):
        list(read_to_end(away, TOPIC, partitions=[0], timeout=5, clock=lambda: float(next(ticks))))
    with pytest.raises(DependencyError, match="did not say which partitions t has"):
        list(read_to_end(away, TOPIC, timeout=0.2))
