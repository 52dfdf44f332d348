"""One pass over one source: batches in, messages and dead letters out, checkpoints between.

Extraction and encoding happen elsewhere (`slices`, `intake`), Kafka is the publisher's; whether and when to
run is the engine's.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from producer.cursors import Position
from producer.dead_letters import Rejected, letter
from producer.errors import SourceError
from producer.intake import Batch
from producer.metrics import EXTRACTED, PUBLISHED, REJECTED
from producer.preparation import Prepared
from producer.publisher import Publisher
from producer.slices import Slices
from producer.watermark import Watermark

# How often the cursor of an ordered source moves in mid-run. Each costs one flush.
CHECKPOINT_RECORDS = 100_000
CHECKPOINT_SECONDS = 10.0
_PATIENCE = 1.0


@dataclass(frozen=True)
class RunReport:
    """What one run did. `published` and `rejected` are acknowledged; extracted = published + rejected.

    `completed` is False for a run that was stopped before the end of its source; `cursor` is the stored one
    after it.
    """

    source: str
    run_id: str
    extracted: int
    published: int
    rejected: int
    seconds: float
    cursor: JsonValue
    completed: bool = True


class Run:
    """Consumes one source's slices to their end."""

    def __init__(
        self,
        prepared: Prepared,
        publisher: Publisher,
        *,
        run_id: str,
        previous: Position | None,
        since: Any,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`since` is where extraction begins, as the cursor's type."""
        self._prepared = prepared
        self._publisher = publisher
        self._run_id = run_id
        self._previous = previous
        self._now = now
        self._clock = clock
        self._started, self._started_at = clock(), now()
        self._mark = Watermark(type(prepared.connector), previous.cursor if previous else None)
        self._stored: JsonValue = previous.cursor if previous else None
        self._leaves_gap = not self._mark.covers(since)
        self._extracted = self._rejected = self._counted = self._since_checkpoint = 0
        self._checkpoint_at = self._started + CHECKPOINT_SECONDS

    def consume(self, slices: Slices[Any, Batch]) -> RunReport:
        """Publish all that `slices` gives, then the cursor; returns when everything is acknowledged.

        When the connector fails, what came before is still acknowledged, then its SourceError is raised.
        """
        try:
            while not slices.finished:
                self._one_slice(slices.take(_PATIENCE))
        except SourceError:
            self._settle(completed=False)
            raise
        return self._settle(completed=not slices.stopped)

    def _one_slice(self, batch: Batch | None) -> None:
        if batch is None:
            self._publisher.poll()
        else:
            self._extracted += batch.extracted
            self._since_checkpoint += batch.extracted
            EXTRACTED.labels(self._prepared.target.source).inc(batch.extracted)
            self._publish(batch)
        self._count()
        if self._prepared.connector.ordered and self._since_checkpoint and self._checkpoint_due():
            self._checkpoint(completed=False)

    def _publish(self, batch: Batch) -> None:
        for rejected in batch.rejected:
            self._reject(rejected)
        too_large = self._publisher.publish(batch.messages) if batch.messages else []
        for place in too_large:
            what = f"{len(batch.messages[place]['value'])} bytes of Avro are more than the topic takes"
            self._reject(Rejected(batch.items[place], "oversized", "MessageSizeTooLarge", what))
        left_out = set(too_large)
        self._mark.see(
            [value for place, value in enumerate(batch.cursors) if place not in left_out]
            if left_out
            else batch.cursors
        )

    def _reject(self, rejected: Rejected) -> None:
        target = self._prepared.target
        self._publisher.dead_letter(
            letter(
                rejected,
                source=target.source,
                run_id=self._run_id,
                at=self._now(),
                max_bytes=target.max_letter_bytes,
            )
        )
        self._rejected += 1
        REJECTED.labels(target.source, rejected.reason).inc()

    def _checkpoint_due(self) -> bool:
        return self._since_checkpoint >= CHECKPOINT_RECORDS or self._clock() >= self._checkpoint_at

    def _checkpoint(self, *, completed: bool) -> None:
        """Make everything so far durable, then the cursor; only a completed run says that it was one.

        A run that began behind the cursor has left out what lies between, so it moves nothing.
        """
        if self._leaves_gap:
            self._publisher.flush()
        else:
            self._store(completed=completed)
        self._since_checkpoint = 0
        self._checkpoint_at = self._clock() + CHECKPOINT_SECONDS

    def _store(self, *, completed: bool) -> None:
        before = self._previous.completed if self._previous else None
        position = Position(
            self._prepared.target.source,
            self._mark.as_json(),
            self._run_id,
            self._now(),
            self._started_at if completed else before,
        )
        self._publisher.checkpoint(position)
        self._stored = position.cursor

    def _settle(self, *, completed: bool) -> RunReport:
        # A source that is not in cursor order may have skipped older records: its cursor moves at the end
        # only.
        if completed or self._prepared.connector.ordered:
            self._checkpoint(completed=completed)
        else:
            self._publisher.flush()
        self._count()
        return RunReport(
            self._prepared.target.source,
            self._run_id,
            self._extracted,
            self._publisher.published,
            self._rejected,
            self._clock() - self._started,
            self._stored,
            completed,
        )

    def _count(self) -> None:
        published = self._publisher.published
        if published > self._counted:
            target = self._prepared.target
            PUBLISHED.labels(target.source, target.topic).inc(published - self._counted)
            self._counted = published
