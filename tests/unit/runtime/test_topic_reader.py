"""Reading a topic to its end, on librdkafka's own broker."""

import time
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not for type checkers
    ClusterMetadata,
    TopicMetadata,
)

from runtime.errors import DependencyError
from runtime.topic_reader import read_last, read_to_end

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


def read(producer: Producer, **how: Any) -> list[str]:
    return texts(read_to_end(properties(producer), TOPIC, **{"timeout": 20, **how}))


def texts(messages: Iterable[Message]) -> list[str]:
    values = [message.value() for message in messages]
    return [value.decode() for value in values if isinstance(value, bytes)]


def test_every_record_of_every_partition_comes_once(producer: Producer) -> None:
    publish(producer, 30, partition=0)
    publish(producer, 20, partition=1)
    assert sorted(read(producer)) == sorted([*map(str, range(30)), *map(str, range(20))])
    assert read(producer, partitions=[1]) == [*map(str, range(20))]


def test_the_last_ones_are_read_and_not_all(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.topic_reader._SPARE", 10)
    fetched: list[Message] = []
    consume = Consumer.consume

    class Counting(Consumer):
        def consume(self, *how: Any, **more: Any) -> list[Message]:
            fetched.extend(messages := consume(self, *how, **more))
            return messages

    monkeypatch.setattr("runtime.topic_reader.Consumer", Counting)
    publish(producer, 30)
    assert texts(read_last(properties(producer), TOPIC, 4, timeout=20)) == ["26", "27", "28", "29"]
    assert 4 <= len(texts(fetched)) < 30
    assert len(read_last(properties(producer), TOPIC, 400, timeout=20)) == 30


def test_the_last_ones_are_those_of_each_partition(producer: Producer) -> None:
    publish(producer, 30, partition=0)
    publish(producer, 2, partition=1)
    found = read_last(properties(producer), TOPIC, 3, timeout=20)
    assert [message.partition() for message in found] == [0, 0, 0, 1, 1]
    assert texts(found) == ["27", "28", "29", "0", "1"]


def test_an_empty_topic_ends_at_once(producer: Producer) -> None:
    producer.list_topics(TOPIC, timeout=10)
    assert read(producer, partitions=[0]) == []


def test_a_broker_that_is_away_is_told_as_such() -> None:
    away = {"bootstrap.servers": "127.0.0.1:9", "log_level": 0}
    for partitions in (None, [0]):
        with pytest.raises(DependencyError, match="did not say which partitions t has"):
            list(read_to_end(away, TOPIC, partitions=partitions, timeout=0.2))


class Forgetful(Consumer):
    """Meets brokers that do not know the topic at first, or never: `answers` come before the true ones."""

    answers: list[int]
    events: list[int]

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        found = super().list_topics(topic, timeout=timeout)
        if not self.answers or topic is None:
            return found
        described = TopicMetadata()
        described.topic, described.error = topic, KafkaError(self.answers.pop(0))
        metadata = ClusterMetadata()
        metadata.topics = {topic: described}
        return metadata

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        if self.events:
            return [Message(topic=TOPIC, partition=0, error=KafkaError(self.events.pop(0)))]
        return super().consume(num_messages, timeout=timeout)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> type[Forgetful]:
    monkeypatch.setattr("runtime.topic_reader.Consumer", Forgetful)
    Forgetful.answers, Forgetful.events = [], []
    return Forgetful


UNKNOWN = KafkaError.UNKNOWN_TOPIC_OR_PART
UNTOLD = KafkaError.LEADER_NOT_AVAILABLE


@pytest.mark.parametrize("how", [{}, {"partitions": [0]}, {"must_exist": True}])
def test_a_topic_that_is_not_known_yet_is_read_once_it_is(
    producer: Producer, forgetful: type[Forgetful], how: dict[str, Any]
) -> None:
    publish(producer, 3)
    forgetful.answers = [UNKNOWN, UNTOLD, UNKNOWN]
    forgetful.events = [UNKNOWN, KafkaError._UNKNOWN_PARTITION]  # noqa: SLF001 - librdkafka's public name
    assert read(producer, **how) == ["0", "1", "2"]
    assert forgetful.answers == forgetful.events == []


def test_a_topic_that_stays_unknown_is_empty_but_not_where_it_must_exist(producer: Producer) -> None:
    began = time.monotonic()
    assert read(producer) == read(producer, partitions=[0]) == []
    assert time.monotonic() - began < 5
    for partitions in (None, [0]):
        with pytest.raises(DependencyError, match=r"for 0.3 s which partitions t has: .*Unknown topic"):
            read(producer, must_exist=True, partitions=partitions, timeout=0.3)


def test_a_partition_that_a_topic_does_not_have_hides_no_other(producer: Producer) -> None:
    publish(producer, 3)
    assert read(producer, partitions=[0, 99]) == ["0", "1", "2"]
    with pytest.raises(DependencyError, match=r"of \[0, 99\] it has \[0\]"):
        read(producer, partitions=[0, 99], must_exist=True, timeout=0.3)


def test_an_answer_that_is_still_to_come_is_no_absence(
    producer: Producer, forgetful: type[Forgetful]
) -> None:
    publish(producer, 3)
    forgetful.answers = [UNTOLD] * 1000
    ticks = count(step=10)
    with pytest.raises(DependencyError, match="Leader not available"):
        read(producer, timeout=15, clock=lambda: float(next(ticks)))


def test_a_topic_that_may_not_be_read_is_not_an_empty_one(
    producer: Producer, forgetful: type[Forgetful]
) -> None:
    forgetful.answers = [KafkaError.TOPIC_AUTHORIZATION_FAILED]
    with pytest.raises(KafkaException, match="authorization"):
        read(producer)


def test_a_topic_lost_in_mid_read_is_no_end(producer: Producer, forgetful: type[Forgetful]) -> None:
    publish(producer, 3)
    forgetful.events = [UNKNOWN] * 1000
    ticks = count(step=10)
    with pytest.raises(DependencyError, match=r"partitions \[0\] gave nothing for 50 s"):
        read(producer, partitions=[0], timeout=50, clock=lambda: float(next(ticks)))
