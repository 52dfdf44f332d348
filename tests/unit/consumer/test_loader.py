from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from prometheus_client import REGISTRY

from consumer.assignment import Assignment
from consumer.batches import Batch, Batches, Limits
from consumer.commits import Commits
from consumer.errors import ClickHouseAwayError
from consumer.loader import Loader
from consumer.workers import Workers
from tests.unit.consumer.conftest import TOPIC, MakeMessage

END = 100
MEMORY = 1 << 20


class FakeConsumer:
    """A partition of END records, given out as `given` says."""

    def __init__(self, given: list[Message]) -> None:
        self._given = given
        self._position = -1001
        self.committed: list[tuple[str, int, int]] = []

    def consume(self, count: int, timeout: float) -> list[Message]:
        given, self._given = self._given[:count], self._given[count:]
        if given:
            self._position = (given[-1].offset() or 0) + 1
        return given

    def position(self, asked: list[TopicPartition]) -> list[TopicPartition]:
        first = (TOPIC, 0)
        return [
            TopicPartition(
                one.topic, one.partition, self._position if (one.topic, one.partition) == first else -1001
            )
            for one in asked
        ]

    def get_watermark_offsets(self, at: TopicPartition, cached: bool) -> tuple[int, int]:
        return 0, END

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        self.committed += [(one.topic, one.partition, one.offset) for one in offsets]


class SettableClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def loader_of(assignment: Assignment, clock: SettableClock) -> Callable[[FakeConsumer, Workers], Loader]:
    def build(consumer: FakeConsumer, workers: Workers) -> Loader:
        limits = Limits(rows=1000, bytes=MEMORY, memory=MEMORY, seconds=0.5)
        return Loader(
            cast("Consumer", consumer),
            assignment,
            Batches(assignment, limits, clock=clock),
            workers,
            Commits(assignment),
            MEMORY,
            clock=clock,
        )

    return build


def _lag() -> float | None:
    return REGISTRY.get_sample_value("ingest_lag_records", {"topic": TOPIC, "partition": "0"})


def test_records_that_are_read_and_not_loaded_are_behind(
    loader_of: Callable[[FakeConsumer, Workers], Loader], message: MakeMessage, clock: SettableClock
) -> None:
    away = True

    def load(batch: Batch) -> None:
        if away:
            raise ClickHouseAwayError("away")

    consumer = FakeConsumer([message(offset) for offset in range(40, END)])
    with Workers(load) as workers:
        loader = loader_of(consumer, workers)
        for _ in range(3):
            clock.now += 2
            loader.step()
        assert _lag() == 60
        assert (TOPIC, 0, END) not in consumer.committed
        away = False
        batches = workers.finished(10)
        assert len(batches) == 1
        batches[0].finish()
        clock.now += 2
        loader.step()
    assert _lag() == 0
    assert consumer.committed[-1] == (TOPIC, 0, END)
