"""One pass over one source: batches in, checkpoints out.

Extraction and encoding happen elsewhere (`slices`, `intake`), transactions are the publisher's; whether and
when to run is the engine's. No connector's code runs while a transaction is open (P1).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from typing import Any

import orjson
from pydantic import JsonValue

from producer.backfill import Backfill
from producer.checkpoint import Checkpoint, Limits
from producer.dead_letters import Letter, Rejected, letter
from producer.errors import SourceError
from producer.intake import Batch
from producer.ledger import LedgerEntry, Range
from producer.metrics import COMMIT_SECONDS, DEDUPLICATED, EXTRACTED, PUBLISHED, REJECTED
from producer.overlap import Overlap
from producer.positions import Ends, Mark, Position, with_mark
from producer.preparation import Prepared
from producer.publisher import Closing, Publisher
from producer.slices import Slices
from producer.watermark import Watermark
from schemas.records import JobPayload

_PATIENCE = 1.0
# So many records within so many seconds are a source that does not pause; a pause of so many ends its
# transaction.
_FAST_RECORDS = 500
_FAST_SECONDS = 0.1
_GAP = 0.05
# The latest jobs that a position remembers.
_JOBS = 20


@dataclass(frozen=True)
class RunReport:
    """What one run did, as far as it is committed: extracted = published + rejected + deduplicated.

    `completed` is False for a run that was stopped before the end of its source; `cursor` is the stored one
    after it. Of a backfill: where it ends, how many slices it has, and how many of them are done, in earlier
    runs too.
    """

    source: str
    run_id: str
    extracted: int
    published: int
    rejected: int
    seconds: float
    cursor: JsonValue
    completed: bool = True
    deduplicated: int = 0
    checkpoints: int = 0
    until: JsonValue = None
    slices: int = 0
    slices_done: int = 0

    @property
    def complaint(self) -> str | None:
        """What somebody should look at, and how; None for nothing."""
        if not self.rejected:
            return None
        told = f"the last run rejected {self.rejected:,} of {self.extracted:,} items"
        return f"{told}; look: ingest topics tail {self.source} --dead-letters"


@dataclass(frozen=True)
class Beginning:
    """Where a run begins: the stored position, `since` as the cursor's type, the ends of the source's topics,
    and where in them what it may yield again stands (None: nowhere); the backfill that it is, if it is one.
    """

    previous: Position | None
    since: Any
    ends: Ends
    starts: Ends | None
    backfill: Backfill | None = None


class Run:
    """Consumes one source's slices to their end."""

    def __init__(
        self,
        prepared: Prepared,
        publisher: Publisher,
        beginning: Beginning,
        overlap: Overlap,
        *,
        job: JobPayload,
        run_id: str,
        writer: str,
        limits: Limits,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prepared = prepared
        self._publisher = publisher
        self._beginning = beginning
        self._overlap = overlap
        self._job = job
        self._run_id = run_id
        self._writer = writer
        self._limits = limits
        self._now = now
        self._clock = clock
        self._started, self._started_at = clock(), now()
        previous = beginning.previous
        self._position = previous
        self._mark = Watermark(type(prepared.connector), previous.cursor if previous else None)
        self._backfill = beginning.backfill
        self._leaves_gap = self._backfill is not None or not self._mark.covers(beginning.since)
        self._ends = beginning.ends
        # Where the topics ended at the last Checkpoint of a State in this run.
        self._state_ends: Ends | None = None
        self._checkpoint = self._new_checkpoint()
        self._sending = False
        self._extracted = self._published = self._rejected = self._deduplicated = self._checkpoints = 0

    def consume(self, slices: Slices[Any, Batch]) -> RunReport:
        """Publish all that `slices` gives; returns when everything and the cursor are committed.

        When the connector fails, what came before is still committed, then its SourceError is raised.
        """
        self._slices = slices
        try:
            while not slices.finished:
                patience = min(_GAP if self._sending else _PATIENCE, self._checkpoint.due_in())
                # Preparing is the connector's code, too, and may hang.
                batch = slices.take(patience, here=not self._sending)
                if batch is not None:
                    self._take(batch)
                    self._send()
                pause = batch is None and self._sending
                if self._checkpoint and (pause or not self._checkpoint.due_in()):
                    self._commit(completed=False)
        except SourceError:
            if self._checkpoint:
                self._commit(completed=False)
            raise
        completed = not slices.stopped
        if completed:
            self._release()
        if completed or self._checkpoint:
            self._commit(completed=completed)
        return self._report(completed)

    def _take(self, batch: Batch) -> None:
        EXTRACTED.labels(self._prepared.target.source).inc(batch.extracted)
        # A key stands in its value, too.
        if 2 * batch.size > self._prepared.target.max_message_bytes:
            self._reject_too_large(batch)
        letters = [self._letter(one) for one in batch.rejected]
        start = letters_start = 0
        for end, letters_end, cursor in batch.checkpoints:
            self._add(batch, start, end, letters[letters_start:letters_end])
            (self._backfill or self._mark).reach(cursor)
            self._release_behind(cursor)
            self._commit(completed=False, safe=cursor)
            start, letters_start = end, letters_end
        self._add(batch, start, len(batch.messages), letters[letters_start:])
        if self._prepared.connector.ordered and batch.cursors:
            self._release_behind(batch.cursors[-1])

    def _add(self, batch: Batch, start: int, end: int, letters: list[Letter]) -> None:
        """Add the messages from `start` to before `end`, and dead letters, as far as they are new."""
        whole = start == 0 and end == len(batch.messages)
        messages = batch.messages if whole else batch.messages[start:end]
        cursors = batch.cursors if whole else batch.cursors[start:end]
        self._mark.see(cursors)
        if self._backfill is not None:
            self._backfill.see(cursors)
        new_letters = self._overlap.new_letters(letters)
        new, known = self._overlap.sift(messages)
        size = batch.size if whole else batch.size * len(messages) // max(1, len(batch.messages))
        self._checkpoint.add(new, new_letters, size, known + len(letters) - len(new_letters))

    def _release_behind(self, cursor: Any) -> None:
        """Publish what was held, if what it waits for stands before `cursor`: up to there all has come."""
        if self._overlap.is_known_by(cursor):
            self._release()

    def _release(self) -> None:
        """Publish what has changed back to what it was before."""
        for messages in self._overlap.release():
            self._checkpoint.add(messages, (), sum(len(one["value"]) for one in messages), 0)
            if not self._checkpoint.due_in():
                self._commit(completed=False)

    def _reject_too_large(self, batch: Batch) -> None:
        """Move the items of messages that the topic does not take to the rejected ones, each where it was."""
        most = self._prepared.target.max_message_bytes
        fits = [len(message["key"]) + len(message["value"]) <= most for message in batch.messages]
        rejected: list[Rejected] = []
        checkpoints: list[tuple[int, int, Any]] = []
        start = rejected_start = 0
        for end, rejected_end, cursor in (*batch.checkpoints, (len(fits), len(batch.rejected), None)):
            rejected += batch.rejected[rejected_start:rejected_end]
            rejected += [_oversized(batch, place) for place in range(start, end) if not fits[place]]
            checkpoints.append((sum(fits[:end]), len(rejected), cursor))
            start, rejected_start = end, rejected_end
        batch.messages = list(compress(batch.messages, fits))
        batch.cursors = list(compress(batch.cursors, fits))
        batch.rejected, batch.checkpoints = rejected, checkpoints[:-1]

    def _letter(self, rejected: Rejected) -> Letter:
        target = self._prepared.target
        REJECTED.labels(target.source, rejected.reason).inc()
        return letter(
            rejected,
            source=target.source,
            run_id=self._run_id,
            at=self._now(),
            max_bytes=target.max_letter_bytes,
        )

    def _send(self) -> None:
        """Produce at once what comes fast, while it is in the processor's cache: half a microsecond a record.

        A source that pauses has what came before committed; none is waited for in an open transaction (P1).
        """
        checkpoint = self._checkpoint
        if self._sending or (checkpoint.records >= _FAST_RECORDS and checkpoint.age < _FAST_SECONDS):
            self._sending = self._publisher.send(checkpoint)
            if not self._sending:
                self._commit(completed=False)

    def _commit(self, *, completed: bool, safe: Any = None) -> None:
        """Publish what has come since the last checkpoint, and where the source stands now.

        `safe` is a cursor from which the connector has said that it can go on.
        """
        checkpoint, self._checkpoint = self._checkpoint, self._new_checkpoint()
        self._sending = False
        with COMMIT_SECONDS.labels(self._prepared.target.source).time(), self._slices.meanwhile():
            closing = self._publisher.publish(
                checkpoint, lambda ends: self._close(checkpoint, ends, completed, safe)
            )
        self._position, self._ends = closing.position, closing.ends
        if safe is not None:
            self._state_ends = closing.ends
        self._checkpoints += 1
        self._extracted += checkpoint.extracted
        self._published += checkpoint.records
        self._rejected += len(checkpoint.letters)
        self._deduplicated += checkpoint.deduplicated
        if self._backfill is not None:
            self._backfill.committed(self._extracted, self._published)
        target = self._prepared.target
        PUBLISHED.labels(target.source, target.topic).inc(checkpoint.records)
        DEDUPLICATED.labels(target.source).inc(checkpoint.deduplicated)

    def _close(self, checkpoint: Checkpoint, ends: Ends, completed: bool, safe: Any) -> Closing:
        position = self._next_position(ends, completed, safe)
        entry = LedgerEntry(
            source=position.source,
            run_id=self._run_id,
            checkpoint=position.checkpoint,
            job_id=self._job.job_id,
            writer=self._writer,
            started=self._started_at,
            written=position.at,
            completed=completed,
            since=_as_text(self._mark.dump(self._beginning.since)),
            cursor=_as_text(position.cursor),
            extracted=checkpoint.extracted,
            published=checkpoint.records,
            rejected=len(checkpoint.letters),
            deduplicated=checkpoint.deduplicated,
            ranges=_ranges(self._ends, ends),
        )
        return Closing(position, self._prepared.ledger.message(entry), ends)

    def _next_position(self, ends: Ends, completed: bool, safe: Any) -> Position:
        """The position after this checkpoint.

        The cursor moves at the end of a run, and before it only if records come in its order, or to where the
        connector says: others may have skipped older ones so far (P6). A run that began behind the cursor has
        left out what lies between, so it moves nothing; a backfill is not meant to.
        """
        before, now = self._position, self._now()
        finishes = completed and not self._leaves_gap
        moving = None if self._leaves_gap else self._cursor_now(completed, safe)
        present = before.mark if before else Mark()
        marks, jobs = (before.marks, before.jobs) if before else ((), ())
        high = self._mark.highest(before.high if before else None)
        # Of marks with the same ends the first one says most.
        if high is not None and high != present.cursor and not (marks and marks[-1].ends == present.ends):
            marks = with_mark(marks, present)
        return Position(
            source=self._prepared.target.source,
            cursor=moving[0] if moving else (before.cursor if before else None),
            run_id=self._run_id,
            at=now,
            completed=self._started_at if finishes else (before.completed if before else None),
            finished=now if finishes else (before.finished if before else None),
            checkpoint=self._checkpoints + 1,
            writer=self._writer,
            jobs=(*jobs, self._job.job_id)[-_JOBS:] if completed else jobs,
            ends=self._covered(ends, present.ends, moving=moving is not None, completed=finishes),
            high=high,
            marks=marks,
            backfills=self._backfills(before.backfills if before else {}, completed),
        )

    def _backfills(self, before: dict[str, JsonValue], completed: bool) -> dict[str, JsonValue]:
        return before if self._backfill is None else self._backfill.stored(before, completed=completed)

    def _covered(self, ends: Ends, stored: Ends, *, moving: bool, completed: bool) -> Ends:
        """The ends that belong to the cursor: what it does not cover stands behind them.

        A State has no marks that would tell. It covers neither what comes after its Checkpoint nor, until a
        run has come to the end of its source, what an earlier run has left and this one has not met again.
        """
        if self._prepared.connector.State is None:
            return ends if moving else stored
        if moving:
            return self._beginning.starts or {} if self._overlap else ends
        return self._state_ends or stored if completed else stored

    def _cursor_now(self, completed: bool, safe: Any) -> tuple[JsonValue] | None:
        """The cursor to store, as a tuple of one; None if the stored one stays.

        What is held must be met again if this run ends too soon.
        """
        if self._overlap.held:
            return None
        connector = self._prepared.connector
        if connector.ordered or (completed and connector.State is None):
            return (self._mark.as_json(),)
        if safe is None or not self._mark.passes(safe):
            return None
        return (self._mark.dump(safe),)

    def _new_checkpoint(self) -> Checkpoint:
        return Checkpoint(self._limits, clock=self._clock)

    def _report(self, completed: bool) -> RunReport:
        return RunReport(
            source=self._prepared.target.source,
            run_id=self._run_id,
            extracted=self._extracted,
            published=self._published,
            rejected=self._rejected,
            deduplicated=self._deduplicated,
            checkpoints=self._checkpoints,
            seconds=self._clock() - self._started,
            cursor=self._position.cursor if self._position else None,
            completed=completed,
            **self._backfill.facts() if self._backfill else {},
        )


def _oversized(batch: Batch, place: int) -> Rejected:
    what = f"{len(batch.messages[place]['value'])} bytes of Avro are more than the topic takes"
    return Rejected(batch.items[place], "oversized", "MessageSizeTooLarge", what)


def _as_text(value: JsonValue) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _ranges(before: Ends, after: Ends) -> list[Range]:
    """What the topics' partitions have grown by since the last checkpoint."""
    return [
        Range(topic=topic, partition=partition, first=before.get(topic, {}).get(partition, 0), end=end)
        for topic, ends in after.items()
        for partition, end in ends.items()
        if end > before.get(topic, {}).get(partition, 0)
    ]
