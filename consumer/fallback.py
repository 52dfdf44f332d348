"""Finds the records that ClickHouse refuses, by cutting a refused batch until they stand alone.

The engine is the only judge: a record is bad when it is refused alone, whatever its neighbours were. So the
same record gets the same verdict whenever it is loaded. What costs is the number of inserts, not their rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from consumer.container import Piece
from consumer.errors import RecordsRefusedError, TopicStoppedError

# So many are looked for one by one; a batch with more of them is cheaper to halve all over.
FEW = 4

Insert = Callable[[Sequence[Piece]], None]


@dataclass(frozen=True)
class Refused:
    """One record that ClickHouse refuses, and its words."""

    piece: Piece
    error: str


def isolate(pieces: Sequence[Piece], insert: Insert) -> list[Refused]:
    """Insert all rows of a refused batch but those that are refused alone; returns the latter.

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
    search = _Search(insert)
    rest: Sequence[Piece] = pieces
    for _ in range(FEW):
        rest = search.first(rest)
        # A last row that is refused has got its verdict by that.
        if not rest or search.accepts(rest) or rows(rest) == 1:
            return search.refused
    search.all(rest)
    return search.refused


@dataclass
class _Search:
    insert: Insert
    refused: list[Refused] = field(default_factory=list)

    def accepts(self, pieces: Sequence[Piece]) -> bool:
        """Insert these; False when they are refused. A single row that is refused is a finding."""
        try:
            self.insert(pieces)
        except RecordsRefusedError as exc:
            if rows(pieces) == 1:
                self.refused.append(Refused(pieces[0], str(exc)))
            return False
        return True

    def first(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Find one bad record among rows that were refused together; returns the rows not inserted yet.

        If the first half is accepted, the second must be what was refused, and need not be tried.
        """
        rest: list[Piece] = []
        suspects = list(pieces)
        while rows(suspects) > 1:
            one, other = halves(suspects)
            if self.accepts(one):
                suspects = other
            elif rows(one) == 1:
                return [*other, *rest]
            else:
                suspects, rest = one, [*other, *rest]
        # Found by inference so far: only alone does it get a verdict.
        self.accepts(suspects)
        return rest

    def all(self, pieces: Sequence[Piece]) -> None:
        """Find every bad record among rows that were refused together."""
        doubtful = [list(pieces)]
        while doubtful:
            part = doubtful.pop()
            if rows(part) == 1:
                self.accepts(part)
                continue
            doubtful += [half for half in halves(part) if not self.accepts(half) and rows(half) > 1]


def rows(pieces: Sequence[Piece]) -> int:
    """How many rows the pieces have."""
    return sum(piece.rows for piece in pieces)


def halves(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    """Cut pieces of at least two rows in the middle."""
    left = rows(pieces) // 2
    one: list[Piece] = []
    other: list[Piece] = []
    for piece in pieces:
        taken = min(left, piece.rows)
        if taken:
            one.append(piece.cut(0, taken))
        if taken < piece.rows:
            other.append(piece.cut(taken, piece.rows))
        left -= taken
    return one, other
