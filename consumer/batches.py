"""Sorts consumed messages into batches: one per topic and schema id, bounded in rows, bytes and age.

This is the loader's hot loop. What is done for each message is done by C functions mapped over a chunk; the
methods of librdkafka's Message are what it costs (about 0.4 µs a message in all).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import cast

from confluent_kafka import Message

from consumer.assignment import Assigned, Assignment
from consumer.container import Block, Framer, new_canary
from consumer.writer_schema import SYNC_SIZE
from schemas.wire import FRAME_SIZE

# A kept message costs more than its bytes.
_MESSAGE_OVERHEAD = 500
# Frames of garbage must not open a batch each.
_MAX_OPEN = 64

# What consume() returns without an error has a place and, unless it is a tombstone, a value.
_topic = cast("Callable[[Message], str]", Message.topic)
_partition = cast("Callable[[Message], int]", Message.partition)
_offset = cast("Callable[[Message], int]", Message.offset)
_value = cast("Callable[[Message], bytes]", Message.value)
_time = itemgetter(1)


@dataclass(frozen=True)
class Limits:
    """When a batch is full: `bytes` are those inserted, `memory` those it takes here (rows are kept
    compressed), `seconds` count from its oldest record.
    """

    rows: int
    bytes: int
    memory: int
    seconds: float


@dataclass(eq=False, slots=True)
class Batch:
    """Records of one topic on their way into ClickHouse.

    With a `frame` they are framed rows in `blocks`; without one they are `messages` that have no frame.
    `size` is what is inserted, `memory` what it takes here, in bytes.
    """

    topic: str
    frame: bytes | None
    opened: float
    framer: Framer
    token: str
    blocks: list[Block] = field(default_factory=list)
    messages: list[tuple[Assigned, Message]] = field(default_factory=list)
    first: dict[Assigned, int] = field(default_factory=dict)
    rows: int = 0
    size: int = 0
    memory: int = 0

    @property
    def abandoned(self) -> bool:
        """True when none of its partitions is ours any more."""
        return all(assigned.lost for assigned in self.first)

    def assigned(self, partition: int) -> Assigned:
        """The partition that rows of this batch came from."""
        return next(assigned for assigned in self.first if assigned.partition == partition)

    def begin(self, assigned: Assigned, offset: int) -> None:
        """Note that records of `assigned` from `offset` on are in here."""
        if offset < self.first.get(assigned, offset + 1):
            self.first[assigned] = assigned.unfinished[self] = offset

    def forget_rows(self) -> None:
        """Free the memory: somebody may hold the batch itself a little longer."""
        self.blocks.clear()
        self.messages.clear()

    def finish(self) -> None:
        """All its records are stored or dead-lettered."""
        for assigned in self.first:
            assigned.unfinished.pop(self, None)


class Batches:
    """The open batches. Used by the consuming thread only."""

    def __init__(
        self,
        assignment: Assignment,
        limits: Limits,
        *,
        clock: Callable[[], float],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._assignment = assignment
        self._limits = limits
        self._clock = clock
        self._random = random
        self._open: dict[tuple[str, bytes | None], Batch] = {}
        self._sealed: list[Batch] = []
        self._flushed: dict[tuple[str, bytes | None], float] = {}

    def take(self, messages: Sequence[Message]) -> None:
        """Put records (no error events) into batches; those of partitions that are not ours are dropped."""
        for (topic, partition), run in _runs(messages):
            assigned = self._assignment.get(topic, partition)
            if assigned is not None and not assigned.stopped:
                for _, same_leader in _by_leader(run):
                    self._take_run(assigned, same_leader)

    def sealed(self, *, idle: bool = False) -> list[Batch]:
        """Take away what is full or old enough; with `idle` (nothing more to read now) also what is not.

        Idleness seals a topic and schema id once in `seconds` at most: a trickle must not make many parts.
        """
        due = self._clock() - self._limits.seconds
        for batch in list(self._open.values()):
            key = batch.topic, batch.frame
            if batch.opened <= due or (idle and self._flushed.get(key, due) <= due):
                self._flushed[key] = self._clock()
                self._seal([batch])
        sealed, self._sealed = self._sealed, []
        return sealed

    def seal(self, partitions: Sequence[Assigned] | None = None) -> list[Batch]:
        """Take away all that is open, or all that holds records of these partitions."""
        chosen = None if partitions is None else set(partitions)
        self._seal(
            batch
            for batch in list(self._open.values())
            if chosen is None or not chosen.isdisjoint(batch.first)
        )
        return self.sealed()

    def open_memory(self, topic: str) -> int:
        """Memory of the topic's open batches."""
        return sum(batch.memory for (name, _), batch in self._open.items() if name == topic)

    def _take_run(self, assigned: Assigned, run: Sequence[Message]) -> None:
        values = list(map(_value, run))
        frame = _common_frame(values)
        if frame is not None:
            self._add(assigned, frame, run, values)
            return
        groups: dict[bytes | None, list[Message]] = {}
        for message, value in zip(run, values, strict=True):
            groups.setdefault(_frame_of(value), []).append(message)
        for frame, group in groups.items():
            if frame is None:
                self._keep(assigned, group)
            else:
                self._add(assigned, frame, group, list(map(_value, group)))

    def _add(self, assigned: Assigned, frame: bytes, run: Sequence[Message], values: Sequence[bytes]) -> None:
        batch = self._batch(assigned.topic, frame)
        offsets = list(map(_offset, run))
        times = list(map(_time, map(Message.timestamp, run)))
        block = batch.framer.block(assigned.place(run[0].leader_epoch()), offsets, times, values)
        batch.blocks.append(block)
        batch.begin(assigned, offsets[0])
        self._grow(batch, block.rows, block.size, block.memory)

    def _keep(self, assigned: Assigned, run: Sequence[Message]) -> None:
        batch = self._batch(assigned.topic, None)
        batch.messages.extend((assigned, message) for message in run)
        batch.begin(assigned, _offset(run[0]))
        size = sum(map(len, run)) + _MESSAGE_OVERHEAD * len(run)
        self._grow(batch, len(run), size, size)

    def _batch(self, topic: str, frame: bytes | None) -> Batch:
        batch = self._open.get((topic, frame))
        if batch is None:
            if len(self._open) >= _MAX_OPEN:
                self._seal([min(self._open.values(), key=lambda other: other.opened)])
            framer = Framer(new_canary(self._random), frame or b"", self._random(SYNC_SIZE))
            batch = Batch(topic, frame, self._clock(), framer, self._random(16).hex())
            self._open[topic, frame] = batch
        return batch

    def _grow(self, batch: Batch, rows: int, size: int, memory: int) -> None:
        batch.rows += rows
        batch.size += size
        batch.memory += memory
        limits = self._limits
        if batch.rows >= limits.rows or batch.size >= limits.bytes or batch.memory >= limits.memory:
            self._seal([batch])

    def _seal(self, batches: Iterator[Batch] | list[Batch]) -> None:
        for batch in batches:
            del self._open[batch.topic, batch.frame]
            self._sealed.append(batch)


def _runs(messages: Sequence[Message]) -> Iterator[tuple[tuple[str, int], Sequence[Message]]]:
    """Neighbours of one partition. librdkafka hands out whole fetches, so a chunk is mostly one run."""
    topics, partitions = list(map(_topic, messages)), list(map(_partition, messages))
    if len(set(topics)) == 1 and len(set(partitions)) == 1:
        yield (topics[0], partitions[0]), messages
        return
    places = zip(topics, partitions, strict=True)
    for place, group in groupby(zip(places, messages, strict=True), key=itemgetter(0)):
        yield place, list(map(itemgetter(1), group))


def _by_leader(run: Sequence[Message]) -> Iterator[tuple[int | None, Sequence[Message]]]:
    """Neighbours of one leader epoch; it never falls along a partition, so the ends tell of all between."""
    if run[0].leader_epoch() == run[-1].leader_epoch():
        yield run[0].leader_epoch(), run
        return
    for leader, group in groupby(run, key=Message.leader_epoch):
        yield leader, list(group)


def _common_frame(values: Sequence[bytes | None]) -> bytes | None:
    """The framing bytes of all values, if they are the same and are framing bytes."""
    try:
        frames = {value[:FRAME_SIZE] for value in values}  # type: ignore[index]
    except TypeError:
        return None
    return _frame_of(frames.pop()) if len(frames) == 1 else None


def _frame_of(value: bytes | None) -> bytes | None:
    if value is None or len(value) < FRAME_SIZE or value[0] != 0:
        return None
    return value[:FRAME_SIZE]
