"""Avro object containers around records that nobody decodes.

One container is one insert. Its schema is the records' own between fields of ours (`writer_schema`):

    canary · version · epoch · partition · wanted frame · offset · log time · frame · <the record> · canary

The message value, five framing bytes and Avro body, stands in it as it came. The canary is fresh for each
batch and nobody outside can know it: bytes that are missing or left over in a record put something else in
its place, and the table refuses the whole insert. Offset and log time travel as doubles (exact below 2^53),
so that one `struct` call writes everything that stands before a value.
"""

import struct
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from consumer.writer_schema import CANARY_SIZE, SYNC_SIZE, zigzag

_COORDINATES = struct.Struct("<dd")
_LIMIT = 1 << 53


def new_canary(random: Callable[[int], bytes]) -> bytes:
    """Eight bytes nobody can guess, never all zero: a table that gets no canaries sees zeros."""
    while True:
        canary = random(CANARY_SIZE)
        if any(canary):
            return canary


@dataclass(frozen=True, slots=True)
class Place:
    """What is the same for all rows of a batch from one partition."""

    version: int
    epoch: int
    partition: int


@dataclass(slots=True)
class Block:
    """Framed rows of one partition: one block of the container.

    `data` is rows back to back, each `head` bytes before the value, the value, the canary; `lengths` are
    those of the values, so any run of rows can be cut out without decoding.
    """

    place: Place
    head: int
    data: bytes
    lengths: "array[int]"

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.lengths)


class Framer:
    """Frames values for one batch. Not for several threads."""

    def __init__(self, canary: bytes, frame: bytes) -> None:
        self._canary = canary
        self._frame = frame
        self._heads: dict[Place, tuple[bytes, Callable[..., bytes]]] = {}

    def block(
        self, place: Place, offsets: Iterable[int], times: Sequence[int], values: Sequence[bytes]
    ) -> Block:
        """Frame the values, whose offsets and log times (milliseconds) are given beside them."""
        head, pack = self._heads.get(place) or self._new_head(place)
        if times and not -_LIMIT < min(times) <= max(times) < _LIMIT:
            # Only a hostile clock; beyond this a double's cast differs between processors.
            times = [max(-_LIMIT, min(_LIMIT, time)) for time in times]
        rows = zip(map(pack, repeat(head), offsets, times), values, repeat(self._canary))
        return Block(
            place,
            len(head) + _COORDINATES.size,
            b"".join(chain.from_iterable(rows)),
            array("I", map(len, values)),
        )

    def _new_head(self, place: Place) -> tuple[bytes, Callable[..., bytes]]:
        signed = place.epoch - (1 << 64) if place.epoch >= 1 << 63 else place.epoch
        head = self._canary + zigzag(place.version) + zigzag(signed) + zigzag(place.partition) + self._frame
        self._heads[place] = head, struct.Struct(f"<{len(head)}sdd").pack
        return self._heads[place]


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows `start` to `stop` of a block."""

    block: Block
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many rows."""
        return self.stop - self.start

    def framed(self) -> memoryview:
        """The framed rows, not copied."""
        return memoryview(self.block.data)[self._at(self.start) : self._at(self.stop)]

    def _at(self, row: int) -> int:
        if row == self.block.rows:
            return len(self.block.data)
        return row * (self.block.head + CANARY_SIZE) + sum(self.block.lengths[:row])

    def cut(self, start: int, stop: int) -> "Piece":
        """Rows of this piece, counted from its own start."""
        return Piece(self.block, self.start + start, self.start + stop)

    def each(self) -> Iterator["Row"]:
        """Take the rows apart again."""
        framed = self.framed()
        at = 0
        for length in self.block.lengths[self.start : self.stop]:
            value_at = at + self.block.head
            offset, time = _COORDINATES.unpack_from(framed, value_at - _COORDINATES.size)
            yield Row(self.block.place, int(offset), int(time), bytes(framed[value_at : value_at + length]))
            at = value_at + length + CANARY_SIZE


@dataclass(frozen=True, slots=True)
class Row:
    """One record: where it stands, its log time in milliseconds, its message value with the framing bytes."""

    place: Place
    offset: int
    time: int
    value: bytes


def container(header: bytes, pieces: Iterable[Piece]) -> Generator[bytes | memoryview, None, None]:
    """The container as parts to be sent one after another; `header` as `writer_schema` made it."""
    sync = header[-SYNC_SIZE:]
    yield header
    for piece in pieces:
        rows = piece.framed()
        yield zigzag(piece.rows) + zigzag(len(rows))
        yield rows
        yield sync
