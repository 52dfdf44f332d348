import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from consumer.assignment import NOWHERE, Assigned, Assignment
from consumer.commits import Commits
from consumer.epochs import Epochs, TopicId
from consumer.errors import BrokerAwayError
from consumer.rebalancing import Rebalancing
from runtime.stopping import Deadline

TOPIC = "ingest.weather"
ID = TopicId("the-id", 9)


class FakeConsumer:
    """Remembers what it is told; answers what it was given."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, int], TopicPartition] = {}
        self.positions: dict[tuple[str, int], int] = {}
        self.assigned: list[tuple[str, int, int]] = []
        self.commits: list[tuple[str, int, int]] = []
        self.failures: list[Exception] = []
        self.refusal: KafkaError | None = None
        self.answering = threading.Event()
        self.answering.set()

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        if self.failures:
            raise self.failures.pop()
        return [self.stored.get((one.topic, one.partition), one) for one in partitions]

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned += [(one.topic, one.partition, one.offset) for one in partitions]

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return [
            TopicPartition(
                one.topic, one.partition, self.positions.get((one.topic, one.partition), OFFSET_INVALID)
            )
            for one in partitions
        ]

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        self.commits += [(one.topic, one.partition, one.offset) for one in offsets]
        self.answering.wait(10)
        if self.refusal is not None:
            raise KafkaException(self.refusal)
        return offsets


class FakeEpochs(Epochs):
    def __init__(self, known: Mapping[str, TopicId], ignorant: int = 0) -> None:
        self.known = known
        self.ignorant = ignorant

    def of(self, topics: Collection[str]) -> Mapping[str, TopicId]:
        self.ignorant -= 1
        if self.ignorant >= 0:
            return {}
        return {topic: self.known[topic] for topic in topics if topic in self.known}


@pytest.fixture
def consumer() -> FakeConsumer:
    return FakeConsumer()


@pytest.fixture
def ours() -> Assignment:
    return Assignment()


@pytest.fixture
def commits(ours: Assignment) -> Commits:
    return Commits(ours)


Released = Callable[[list[Assigned], Deadline], None]


def _rebalancing(ours: Assignment, release: Released | None = None, ignorant: int = 0) -> Rebalancing:
    epochs = FakeEpochs({TOPIC: ID}, ignorant)
    return Rebalancing(ours, epochs, release or (lambda gone, deadline: None), 1.0)


def _as_consumer(fake: FakeConsumer) -> Consumer:
    return cast("Consumer", fake)


def _assign(
    consumer: FakeConsumer, ours: Assignment, *committed: TopicPartition
) -> list[tuple[str, int, int]]:
    consumer.stored = {(one.topic, one.partition): one for one in committed}
    asked = [TopicPartition(one.topic, one.partition) for one in committed]
    _rebalancing(ours).on_assign(_as_consumer(consumer), asked)
    return consumer.assigned


def test_a_first_start_is_at_the_beginning_and_said_so(consumer: FakeConsumer, ours: Assignment) -> None:
    assert _assign(consumer, ours, TopicPartition(TOPIC, 0)) == [(TOPIC, 0, OFFSET_BEGINNING)]


@pytest.mark.parametrize("metadata", ["", "not json", "[]", '{"topic_id": "the-id"}', '{"other": 1}'])
def test_a_commit_is_where_to_go_on(consumer: FakeConsumer, ours: Assignment, metadata: str) -> None:
    assert _assign(consumer, ours, TopicPartition(TOPIC, 0, 70, metadata=metadata)) == [(TOPIC, 0, 70)]
    assert [assigned.topic_id for assigned in ours] == [ID]


def test_a_topic_made_anew_is_read_from_its_beginning(consumer: FakeConsumer, ours: Assignment) -> None:
    committed = TopicPartition(TOPIC, 0, 70, metadata='{"topic_id": "another"}')
    assert _assign(consumer, ours, committed) == [(TOPIC, 0, OFFSET_BEGINNING)]


def test_a_topic_deleted_meanwhile_is_not_ours(consumer: FakeConsumer, ours: Assignment) -> None:
    with pytest.raises(BrokerAwayError, match=r"ingest\.gone"):
        _assign(consumer, ours, TopicPartition("ingest.gone", 0, 3))
    assert (len(ours), consumer.assigned) == (0, [])


def test_a_topic_that_the_broker_does_not_know_yet_is_asked_for_again(
    consumer: FakeConsumer, ours: Assignment
) -> None:
    """Its records would be read and dropped otherwise, in silence, until the next rebalance."""
    rebalancing = _rebalancing(ours, ignorant=1)
    rebalancing.on_assign(_as_consumer(consumer), [TopicPartition(TOPIC, 0)])
    assert [assigned.key for assigned in ours] == [(TOPIC, 0)]
    assert consumer.assigned == [(TOPIC, 0, OFFSET_BEGINNING)]


def test_a_short_silence_of_the_broker_is_waited_out(consumer: FakeConsumer, ours: Assignment) -> None:
    consumer.failures = [KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT))]
    assert _assign(consumer, ours, TopicPartition(TOPIC, 0, 5)) == [(TOPIC, 0, 5)]


def test_a_long_silence_opens_the_consumer_anew(consumer: FakeConsumer, ours: Assignment) -> None:
    consumer.failures = [KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT)) for _ in range(5)]
    with pytest.raises(BrokerAwayError):
        _assign(consumer, ours, TopicPartition(TOPIC, 0, 5))
    assert len(ours) == 0


def test_partitions_are_released_before_they_go(consumer: FakeConsumer, ours: Assignment) -> None:
    released: list[Any] = []
    _assign(consumer, ours, TopicPartition(TOPIC, 0, 5), TopicPartition(TOPIC, 1, 5))
    gone = ours.get(TOPIC, 1)
    rebalancing = _rebalancing(ours, lambda partitions, deadline: released.extend(partitions))
    rebalancing.on_revoke(_as_consumer(consumer), [TopicPartition(TOPIC, 1)])
    assert released == [gone]
    assert [assigned.partition for assigned in ours] == [0]


def test_lost_partitions_are_dropped_without_a_word_to_the_broker(
    consumer: FakeConsumer, ours: Assignment
) -> None:
    _assign(consumer, ours, TopicPartition(TOPIC, 0, 5))
    lost = ours.get(TOPIC, 0)
    assert lost is not None
    released: list[Any] = []
    rebalancing = _rebalancing(ours, lambda partitions, deadline: released.extend(partitions))
    rebalancing.on_lost(_as_consumer(consumer), [TopicPartition(TOPIC, 0)])
    assert (len(ours), lost.lost, released, consumer.commits) == (0, True, [], [])


def test_only_what_has_moved_is_committed(consumer: FakeConsumer, ours: Assignment, commits: Commits) -> None:
    _assign(consumer, ours, TopicPartition(TOPIC, 0, 5), TopicPartition(TOPIC, 1, 5))
    consumer.positions = {(TOPIC, 0): 8, (TOPIC, 1): 9}
    busy = ours.get(TOPIC, 1)
    assert busy is not None
    busy.unfinished["batch"] = 6
    commits.commit(_as_consumer(consumer))
    commits.commit(_as_consumer(consumer))
    busy.unfinished.clear()
    commits.commit(_as_consumer(consumer))
    assert consumer.commits == [(TOPIC, 0, 8), (TOPIC, 1, 6), (TOPIC, 1, 9)]


def test_a_refused_commit_is_made_again(consumer: FakeConsumer, ours: Assignment, commits: Commits) -> None:
    _assign(consumer, ours, TopicPartition(TOPIC, 0, 5))
    consumer.positions = {(TOPIC, 0): 8}
    commits.commit(_as_consumer(consumer))
    commits.on_commit(KafkaError(KafkaError.REBALANCE_IN_PROGRESS), [TopicPartition(TOPIC, 0, 8)])
    commits.commit(_as_consumer(consumer))
    assert consumer.commits == [(TOPIC, 0, 8)] * 2


def test_a_refusal_while_leaving_is_no_error(
    consumer: FakeConsumer, ours: Assignment, commits: Commits
) -> None:
    _assign(consumer, ours, TopicPartition(TOPIC, 0, 5))
    consumer.positions = {(TOPIC, 0): 8}
    consumer.refusal = KafkaError(KafkaError.UNKNOWN_MEMBER_ID)
    assigned = ours.get(TOPIC, 0)
    assert assigned is not None
    commits.commit_and_wait(_as_consumer(consumer), [assigned], 1.0)
    assert assigned.committed == NOWHERE


def test_a_commit_that_nobody_answers_holds_up_no_stop(
    consumer: FakeConsumer, ours: Assignment, commits: Commits
) -> None:
    _assign(consumer, ours, TopicPartition(TOPIC, 0, 5))
    consumer.positions = {(TOPIC, 0): 8}
    consumer.answering.clear()
    assigned = ours.get(TOPIC, 0)
    assert assigned is not None
    commits.commit_and_wait(_as_consumer(consumer), [assigned], 0.05)
    assert assigned.committed == NOWHERE
    consumer.answering.set()
