from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.container import Framer, Piece, Place
from consumer.errors import ClickHouseAwayError, RecordsRefusedError, TopicStoppedError
from consumer.fallback import halves, isolate, rows

FRAME = b"\0\0\0\0\1"


def _pieces(sizes: Sequence[int]) -> list[Piece]:
    """Blocks of so many rows each, offsets running through."""
    pieces, offset = [], 0
    for size in sizes:
        offsets = range(offset, offset + size)
        block = Framer(b"c" * 8, FRAME, b"s" * 16).block(Place(1, 1, 0), offsets, [0] * size, [FRAME] * size)
        pieces.append(Piece(block, 0, size))
        offset += size
    return pieces


def _offsets(pieces: Sequence[Piece]) -> list[int]:
    return [row.offset for piece in pieces for row in piece.each()]


class Table:
    """Stores rows, refuses every insert that holds one of `bad`."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.stored: list[int] = []
        self.inserts = 0

    def insert(self, pieces: Sequence[Piece]) -> None:
        self.inserts += 1
        offsets = _offsets(pieces)
        if self.bad.intersection(offsets):
            raise RecordsRefusedError("395")
        self.stored += offsets


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.sets(st.integers(0, 299), max_size=10))
def test_bad_records_stand_alone_and_all_others_are_stored_once(sizes: list[int], bad: set[int]) -> None:
    table, total = Table(bad), sum(sizes)
    refused = isolate(_pieces(sizes), table.insert)
    assert sorted(table.stored) == [offset for offset in range(total) if offset not in bad]
    assert sorted(_offsets([one.piece for one in refused])) == sorted(
        offset for offset in bad if offset < total
    )


@pytest.mark.parametrize(
    ("bad", "most"), [({77_777}, 20), ({0}, 20), ({99_999}, 20), ({5, 50_000, 99_998}, 60)]
)
def test_a_few_bad_records_cost_few_inserts(bad: set[int], most: int) -> None:
    table = Table(bad)
    refused = isolate(_pieces([50_000, 50_000]), table.insert)
    assert {row.offset for one in refused for row in one.piece.each()} == bad
    assert table.inserts <= most


def test_a_batch_of_nothing_but_bad_records_costs_two_inserts_each() -> None:
    table = Table(set(range(2000)))
    assert len(isolate(_pieces([2000]), table.insert)) == 2000
    assert table.inserts <= 2 * 2000 + 100


@pytest.mark.parametrize("size", range(1, 12))
def test_no_record_is_found_twice(size: int) -> None:
    for bits in range(1, 2**size):
        bad = {offset for offset in range(size) if bits >> offset & 1}
        table = Table(bad)
        refused = isolate(_pieces([size]), table.insert)
        assert sorted(_offsets([one.piece for one in refused])) == sorted(bad)
        assert sorted(table.stored) == [offset for offset in range(size) if offset not in bad]


def test_a_record_that_is_accepted_alone_is_not_blamed_for_its_company() -> None:
    stored: list[int] = []

    def insert(pieces: Sequence[Piece]) -> None:
        offsets = _offsets(pieces)
        if len(offsets) > 3:
            raise RecordsRefusedError("too many at once")
        stored.extend(offsets)

    assert isolate(_pieces([20]), insert) == []
    assert sorted(stored) == list(range(20))


def test_no_record_is_blamed_when_even_nothing_is_refused() -> None:
    def insert(_pieces: Sequence[Piece]) -> None:
        raise RecordsRefusedError("117: the number of leaves does not match")

    with pytest.raises(TopicStoppedError, match="No record is blamed"):
        isolate(_pieces([3]), insert)


def test_trouble_on_the_way_is_no_verdict() -> None:
    def insert(pieces: Sequence[Piece]) -> None:
        if pieces:
            raise ClickHouseAwayError("gone")

    with pytest.raises(ClickHouseAwayError):
        isolate(_pieces([3]), insert)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4))
def test_halving_keeps_order_and_loses_nothing(sizes: list[int]) -> None:
    one, other = halves(_pieces(sizes))
    assert _offsets([*one, *other]) == list(range(sum(sizes)))
    assert abs(rows(one) - rows(other)) <= 1
