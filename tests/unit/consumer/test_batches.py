from collections.abc import Sequence
from itertools import count

import pytest

from consumer.assignment import Assignment
from consumer.batches import Batch, Batches, Limits
from consumer.container import Piece
from tests.unit.consumer.conftest import FRAME, TOPIC, MakeMessage

OTHER = b"\0\0\0\0\x08"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def batches(assignment: Assignment, clock: Clock) -> Batches:
    return Batches(assignment, Limits(rows=1000, bytes=1 << 20, memory=1 << 20, seconds=1.0), clock=clock)


def _rows(batch: Batch) -> list[tuple[int, int, bytes]]:
    pieces = (Piece(block, 0, block.rows) for block in batch.blocks)
    return [(row.place.partition, row.offset, row.value) for piece in pieces for row in piece.each()]


def _by_frame(sealed: Sequence[Batch]) -> dict[bytes | None, Batch]:
    return {batch.frame: batch for batch in sealed}


def test_partitions_of_a_topic_share_a_batch(batches: Batches, message: MakeMessage) -> None:
    batches.take([message(5), message(6), message(9, partition=1), message(7)])
    (batch,) = batches.seal()
    assert [(partition, offset) for partition, offset, _ in _rows(batch)] == [(0, 5), (0, 6), (1, 9), (0, 7)]
    assert {assigned.partition: first for assigned, first in batch.first.items()} == {0: 5, 1: 9}


def test_topics_and_schema_ids_do_not_share_a_batch(batches: Batches, message: MakeMessage) -> None:
    batches.take(
        [
            message(1),
            message(2, OTHER + b"y"),
            message(3),
            message(1, topic="ingest.flights", value=FRAME + b"z"),
        ]
    )
    sealed = batches.seal()
    assert [(batch.topic, batch.frame, len(_rows(batch))) for batch in sealed] == [
        (TOPIC, FRAME, 2),
        (TOPIC, OTHER, 1),
        ("ingest.flights", FRAME, 1),
    ]


def test_values_without_a_frame_are_kept_as_messages(batches: Batches, message: MakeMessage) -> None:
    odd = [None, b"", b"\0\0\0", b"\1\0\0\0\7x"]
    batches.take([message(0), *(message(offset, value) for offset, value in enumerate(odd, 1)), message(9)])
    sealed = _by_frame(batches.seal())
    assert [offset for _, offset, _ in _rows(sealed[FRAME])] == [0, 9]
    assert [kept.value() for _, kept in sealed[None].messages] == odd
    assert list(sealed[None].first.values()) == [1]


def test_leader_epoch_stands_in_the_version(batches: Batches, message: MakeMessage) -> None:
    batches.take([message(1, leader_epoch=3), message(2, leader_epoch=3), message(3, leader_epoch=4)])
    (batch,) = batches.seal()
    assert [block.place.version for block in batch.blocks] == [(1 << 32) + 3, (1 << 32) + 4]
    assert [block.rows for block in batch.blocks] == [2, 1]


def test_what_is_not_ours_is_dropped(batches: Batches, assignment: Assignment, message: MakeMessage) -> None:
    stopped = assignment.get(TOPIC, 1)
    assert stopped is not None
    stopped.stopped = "out of range"
    batches.take([message(1, topic="ingest.unknown"), message(1, partition=7), message(1, partition=1)])
    assert batches.seal() == []


@pytest.mark.parametrize(
    "limits",
    [Limits(3, 1 << 20, 1 << 20, 60.0), Limits(1000, 150, 1 << 20, 60.0), Limits(1000, 1 << 20, 150, 60.0)],
)
def test_a_full_batch_is_sealed_at_once(
    assignment: Assignment, clock: Clock, message: MakeMessage, limits: Limits
) -> None:
    batches = Batches(assignment, limits, clock=clock)
    batches.take([message(1), message(2)])
    assert batches.sealed() == []
    batches.take([message(3)])
    assert [batch.rows for batch in batches.sealed()] == [3]


def test_age_counts_from_the_oldest_record(batches: Batches, clock: Clock, message: MakeMessage) -> None:
    batches.take([message(1)])
    clock.now += 0.9
    batches.take([message(2)])
    assert batches.sealed() == []
    clock.now += 0.1
    assert [batch.rows for batch in batches.sealed()] == [2]


def test_with_nothing_more_to_read_a_batch_goes_at_once_but_not_twice_a_second(
    batches: Batches, clock: Clock, message: MakeMessage
) -> None:
    batches.take([message(1)])
    assert [batch.rows for batch in batches.sealed(idle=True)] == [1]
    clock.now += 0.2
    batches.take([message(2)])
    assert batches.sealed(idle=True) == []
    clock.now += 0.8
    assert [batch.rows for batch in batches.sealed(idle=True)] == [1]


def test_only_batches_with_records_of_leaving_partitions_are_sealed(
    batches: Batches, assignment: Assignment, message: MakeMessage
) -> None:
    batches.take([message(1), message(1, topic="ingest.flights")])
    leaving = assignment.get(TOPIC, 0)
    assert leaving is not None
    assert [batch.topic for batch in batches.seal([leaving])] == [TOPIC]
    assert [batch.topic for batch in batches.seal()] == ["ingest.flights"]


def test_frames_of_garbage_do_not_open_a_batch_each(batches: Batches, message: MakeMessage) -> None:
    batches.take([message(number, b"\0" + number.to_bytes(4, "big")) for number in range(1000)])
    early = batches.sealed()
    assert len(early) > 900
    assert sum(batch.rows for batch in [*early, *batches.seal()]) == 1000


def test_batches_have_canaries_and_tokens_of_their_own(
    assignment: Assignment, clock: Clock, message: MakeMessage
) -> None:
    numbers = count(1)
    limits = Limits(1, 1 << 20, 1 << 20, 1.0)
    batches = Batches(assignment, limits, clock=clock, random=lambda size: bytes([next(numbers)]) * size)
    batches.take([message(1)])
    batches.take([message(2)])
    one, two = batches.sealed()
    assert bytes(one.blocks[0].framed()[:8]) != bytes(two.blocks[0].framed()[:8])
    assert one.framer.sync != two.framer.sync
    assert one.token != two.token


def test_a_finished_batch_frees_its_offsets(
    batches: Batches, assignment: Assignment, message: MakeMessage
) -> None:
    batches.take([message(10), message(20, partition=1)])
    (batch,) = batches.seal()
    zero, one = assignment.get(TOPIC, 0), assignment.get(TOPIC, 1)
    assert zero is not None
    assert one is not None
    assert (zero.safe_offset(11), one.safe_offset(21)) == (10, 20)
    batch.finish()
    assert (zero.safe_offset(11), one.safe_offset(21)) == (11, 21)


def test_a_batch_is_abandoned_when_all_its_partitions_are_gone(
    batches: Batches, assignment: Assignment, message: MakeMessage
) -> None:
    batches.take([message(10), message(20, partition=1)])
    (batch,) = batches.seal()
    zero, one = assignment.get(TOPIC, 0), assignment.get(TOPIC, 1)
    assert zero is not None
    assert one is not None
    assignment.remove([zero])
    assert not batch.abandoned
    assignment.remove([one])
    assert batch.abandoned
