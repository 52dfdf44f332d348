from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.container import Framer, Piece, Place
from consumer.errors import ClickHouseAwayError, RecordsRefusedError, TopicStoppedError
from consumer.fallback import WAYS, isolate, split

FRAME = b"\0\0\0\0\1"


def _pieces(rows: Sequence[int]) -> list[Piece]:
    """Blocks of so many rows each, offsets running through."""
    pieces, offset = [], 0
    for size in rows:
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
def test_bad_records_stand_alone_and_all_others_are_stored_once(rows: list[int], bad: set[int]) -> None:
    table, total = Table(bad), sum(rows)
    refused = isolate(_pieces(rows), table.insert)
    assert sorted(table.stored) == [offset for offset in range(total) if offset not in bad]
    assert sorted(_offsets([one.piece for one in refused])) == sorted(
        offset for offset in bad if offset < total
    )


def test_one_bad_record_costs_few_inserts() -> None:
    table = Table({77_777})
    isolate(_pieces([50_000, 50_000]), table.insert)
    assert table.inserts <= 1 + WAYS * 5


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


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 20))
def test_splitting_keeps_order_and_loses_nothing(rows: list[int], ways: int) -> None:
    pieces = _pieces(rows)
    parts = split(pieces, ways)
    assert [offset for part in parts for offset in _offsets(part)] == list(range(sum(rows)))
    assert len(parts) <= ways
    assert all(parts)
