"""Finds the records that ClickHouse refuses, by cutting a refused batch until they stand alone.

The engine is the only judge: a record is bad when it is refused alone, whatever its neighbours were. So the
same record gets the same verdict whenever it is loaded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consumer.container import Piece
from consumer.errors import RecordsRefusedError, TopicStoppedError

# Cutting in two would send every good row again for each halving; in sixteen it is hardly more than once.
WAYS = 16

Insert = Callable[[Sequence[Piece]], None]


@dataclass(frozen=True)
class Refused:
    """One record that ClickHouse refuses, and its words."""

    piece: Piece
    error: str


def isolate(pieces: Sequence[Piece], insert: Insert) -> list[Refused]:
    """Insert all rows but those that are refused alone; returns the latter.

    `insert` stores the rows of some pieces, or raises RecordsRefusedError and stores none of them. Raises
    TopicStoppedError when an insert of no rows at all is refused: then it is not a record's fault.
    """
    try:
        insert([])
    except RecordsRefusedError as exc:
        raise TopicStoppedError(
            f"ClickHouse refuses rows of this schema before it has seen any: {exc}. "
            "No record is blamed for that; look at the table and the schema."
        ) from exc
    refused: list[Refused] = []
    doubtful = split(pieces)
    while doubtful:
        part = doubtful.pop()
        try:
            insert(part)
        except RecordsRefusedError as exc:
            if sum(piece.rows for piece in part) == 1:
                refused.append(Refused(part[0], str(exc)))
            else:
                doubtful.extend(split(part))
    return refused


def split(pieces: Sequence[Piece], ways: int = WAYS) -> list[list[Piece]]:
    """Cut pieces into at most `ways` parts of about as many rows each; every part has at least one row."""
    total = sum(piece.rows for piece in pieces)
    size = max(1, -(-total // ways))
    parts: list[list[Piece]] = []
    room = 0
    for piece in pieces:
        start = 0
        while start < piece.rows:
            if room == 0:
                parts.append([])
                room = size
            stop = min(piece.rows, start + room)
            parts[-1].append(piece.cut(start, stop))
            room -= stop - start
            start = stop
    return parts
