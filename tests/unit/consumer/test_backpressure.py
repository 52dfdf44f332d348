from typing import cast

import pytest
from confluent_kafka import Consumer, TopicPartition

from consumer.assignment import Assigned, Assignment
from consumer.backpressure import Backpressure
from consumer.epochs import TopicId
from tests.unit.consumer.conftest import TOPIC

FLIGHTS = "ingest.flights"
# Half of it is for batches: 100.
MEMORY = 200


class FakeConsumer:
    def __init__(self) -> None:
        self.paused: set[tuple[str, int]] = set()

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {(one.topic, one.partition) for one in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {(one.topic, one.partition) for one in partitions}


@pytest.fixture
def fake() -> FakeConsumer:
    return FakeConsumer()


@pytest.fixture
def consumer(fake: FakeConsumer) -> Consumer:
    return cast("Consumer", fake)


@pytest.fixture
def held() -> dict[str, int]:
    return {TOPIC: 0, FLIGHTS: 0}


@pytest.fixture
def pressure(assignment: Assignment, held: dict[str, int]) -> Backpressure:
    return Backpressure(assignment, MEMORY, lambda topic: held[topic])


def test_one_topic_may_use_all_there_is(pressure: Backpressure, held: dict[str, int]) -> None:
    held[TOPIC] = 100
    assert pressure.over() == []
    held[TOPIC] = 101
    assert pressure.over() == [TOPIC]


def test_the_one_that_holds_much_is_paused_not_the_one_that_holds_little(
    pressure: Backpressure, held: dict[str, int]
) -> None:
    held.update({TOPIC: 95, FLIGHTS: 10})
    assert pressure.over() == [TOPIC]


def test_a_paused_topic_is_resumed_when_it_has_got_rid_of_half(
    pressure: Backpressure, held: dict[str, int], fake: FakeConsumer, consumer: Consumer
) -> None:
    held[TOPIC] = 150
    pressure.pause(consumer, TOPIC)
    assert fake.paused == {(TOPIC, 0), (TOPIC, 1)}
    held[TOPIC] = 60
    pressure.resume(consumer)
    assert pressure.paused == {TOPIC}
    held[TOPIC] = 50
    pressure.resume(consumer)
    assert (pressure.paused, fake.paused) == (frozenset(), set())


def test_partitions_that_come_to_a_paused_topic_are_paused_as_well(
    pressure: Backpressure, assignment: Assignment, fake: FakeConsumer, consumer: Consumer
) -> None:
    pressure.pause(consumer, TOPIC)
    new = [Assigned(TOPIC, 7, TopicId("an-id", 1)), Assigned(FLIGHTS, 7, TopicId("an-id", 1))]
    pressure.hold_new(consumer, new)
    assert (TOPIC, 7) in fake.paused
    assert (FLIGHTS, 7) not in fake.paused


def test_a_partition_that_stands_still_is_not_resumed_with_its_topic(
    pressure: Backpressure, assignment: Assignment, fake: FakeConsumer, consumer: Consumer
) -> None:
    stopped = assignment.get(TOPIC, 1)
    assert stopped is not None
    pressure.pause(consumer, TOPIC)
    stopped.stopped = "a gap"
    pressure.resume(consumer)
    assert fake.paused == {(TOPIC, 1)}


def test_a_topic_of_which_nothing_was_loaded_is_not_resumed(
    pressure: Backpressure, assignment: Assignment, held: dict[str, int], consumer: Consumer
) -> None:
    """Over its share of three topics, and under half of what it might hold if it were the only one."""
    assignment.add(Assigned("ingest.news", 0, TopicId("an-id", 11)))
    held.update({TOPIC: 45, FLIGHTS: 30, "ingest.news": 30})
    assert pressure.over() == [TOPIC]
    pressure.pause(consumer, TOPIC)
    pressure.resume(consumer)
    assert pressure.paused == {TOPIC}


def test_room_that_others_make_is_no_reason_to_go_on_with_a_topic_that_waits(
    pressure: Backpressure, held: dict[str, int], consumer: Consumer
) -> None:
    held.update({TOPIC: 45, FLIGHTS: 60})
    pressure.pause(consumer, TOPIC)
    held[FLIGHTS] = 0
    pressure.resume(consumer)
    assert pressure.paused == {TOPIC}
    held[TOPIC] = 44
    pressure.resume(consumer)
    assert pressure.paused == frozenset()
