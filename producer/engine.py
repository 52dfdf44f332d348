"""Runs one job: look the connector up, check the rate limit, iterate it, hand records to the publisher.

When jobs are due, and what happens to those that fail, is the scheduler's.
"""

import inspect
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from connectors.base import BaseConnector
from connectors.bounds import parse_bounds
from connectors.errors import QuotaExhaustedError
from connectors.http import governed_by
from connectors.loading import explain
from producer.backfill import Backfill
from producer.checkpoint import Limits
from producer.errors import NotOwnedError, OvertakenError, PublisherFencedError, SourceError
from producer.intake import Batch, Intake
from producer.limiter import RateLimiter, utc_now
from producer.metrics import LAST_SUCCESS, LIMITED, RUN_SECONDS
from producer.overlap import Overlap, versions_for
from producer.ownership import Ownership, Unshared
from producer.positions import Position
from producer.preparation import Preparation, Prepared
from producer.publisher import Publisher
from producer.resume import looking_back, tail_starts, without_lost_ends
from producer.run import Beginning, Run, RunReport
from producer.slices import Slices
from producer.tail import Tails
from producer.target import Target, writer_name
from producer.topics import Topics
from runtime.settings import ProducerSettings
from schemas.records import JobPayload

# A generator that is asked to end has this long to come to its next item before its thread is left behind.
_CLOSE_SECONDS = 5.0
# A wait of a run is told once it has lasted so long.
_WORTH_TELLING = 5.0
_BEGINS_ANEW = (
    "; without a cursor the next run begins anew: if one run needs more than the quota, declare a cursor, or "
    "wait in place with http_client(patience=…)"
)
_log = structlog.get_logger(__name__)

UNSHARED = Unshared()
OpenPublisher = Callable[[Target], Publisher]


@dataclass(frozen=True)
class Requeued:
    """The job did not run and must be asked for again at `not_before`."""

    not_before: datetime
    reason: str


class IngestionEngine:
    """Runs jobs, several at once from several threads, one at a time per source (the caller sees to that)."""

    def __init__(
        self,
        preparation: Preparation,
        limiter: RateLimiter,
        tails: Tails,
        topics: Topics,
        open_publisher: OpenPublisher,
        settings: ProducerSettings,
        *,
        ownership: Ownership = UNSHARED,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._preparation = preparation
        self._limiter = limiter
        self._tails = tails
        self._topics = topics
        self._open_publisher = open_publisher
        self._settings = settings
        self._ownership = ownership
        self._limits = Limits(
            settings.checkpoint_records, settings.checkpoint_bytes, settings.checkpoint_seconds
        )
        self._now = now
        self._clock = clock
        self._lock = threading.Lock()
        self._building: dict[str, float] = {}
        self._running: dict[str, Slices[Any, Batch]] = {}
        self._stopped: set[str] = set()
        self._all_stopped = False

    def run(self, job: JobPayload) -> RunReport | Requeued:
        """Run `job` to the end of its source, or say when it may run.

        `job.since` None takes the stored cursor. Raises what `producer.errors.next_step` sorts; what had been
        published before stays published, and the cursor has not moved past it.
        """
        with structlog.contextvars.bound_contextvars(source=job.source, job_id=job.job_id):
            if not self._ownership.owned(job.source):
                raise NotOwnedError(f"{job.source}: it belongs to another producer now")
            connector = self._built(job.source)
            parse_bounds(type(connector), job.since, job.until)
            prepared = self._preparation.prepare(connector)
            wait = self._limiter.check_limit(job.source)
            if wait is not None:
                return _put_back(job.source, wait.until, str(wait))
            try:
                return self._run(prepared, job)
            except SourceError as exc:
                # What it had extracted is committed. A quota used up is no failure, the run goes on later.
                if isinstance(exc.__cause__, QuotaExhaustedError):
                    why = str(exc.__cause__) + ("" if connector.has_cursor() else _BEGINS_ANEW)
                    return _put_back(job.source, exc.__cause__.until, why)
                raise _with_place(exc, type(connector)) from exc.__cause__
            except PublisherFencedError as exc:
                if self._ownership.lease(job.source) is None:
                    raise
                owned = self._ownership.owned(job.source)
                raise (OvertakenError if owned else NotOwnedError)(str(exc)) from exc

    def fence(self, source: str) -> Position | None:
        """End whatever another producer does with `source`, with no run due; returns where it stands.

        None of its connector's code runs. Raises BrokerAwayError, PublisherFencedError if the source is not
        owned, and what `Publisher.take_over` raises.
        """
        with self._open_publisher(self._preparation.bare_target(source)) as publisher:
            return publisher.take_over()

    def replace_position(self, source: str, replaced: Callable[[Position | None], Position]) -> Position:
        """Write what `replaced` makes of the stored position, as the source's only producer.

        Raises what `replaced` raises, and PublishFailedError if nobody knows whether it was written.
        """
        with self._open_publisher(self._preparation.bare_target(source)) as publisher:
            position = replaced(publisher.take_over())
            publisher.write_position(position)
            return position

    def stop(self, source: str | None = None) -> None:
        """End the runs of `source` (None: of all) at their generators' next items; what was extracted is
        still published. Runs that begin later end at once, until `allow`.
        """
        with self._lock:
            if source is None:
                self._all_stopped = True
            else:
                self._stopped.add(source)
            for name, slices in self._running.items():
                if source in (None, name):
                    slices.stop()

    def interrupt(self, source: str) -> bool:
        """End a run of `source` that extracts, as `stop` does; the next one may begin. False: none does."""
        with self._lock:
            slices = self._running.get(source)
            if slices is not None:
                slices.stop()
            return slices is not None

    def allow(self, source: str) -> None:
        """Runs of `source` may begin again."""
        with self._lock:
            self._stopped.discard(source)

    def silent_for(self, source: str) -> float | None:
        """Seconds since the connector of a running source has been waited for; None while it is not."""
        with self._lock:
            building_since, slices = self._building.get(source), self._running.get(source)
        if building_since is not None:
            return self._clock() - building_since
        return slices.silent_for() if slices is not None else None

    def waits_for(self, source: str) -> str | None:
        """The limit or quota that a run of `source` waits for and goes on after; None for none, or a short
        one.
        """
        waits = self._limiter.waiting(source)
        is_silent = (self.silent_for(source) or 0.0) >= _WORTH_TELLING
        return str(waits) if waits is not None and is_silent else None

    def _built(self, source: str) -> BaseConnector:
        with self._lock:
            self._building[source] = self._clock()
        try:
            return self._preparation.connector(source)
        finally:
            with self._lock:
                del self._building[source]

    def _run(self, prepared: Prepared, job: JobPayload) -> RunReport:
        run_id = uuid.uuid4().hex
        source = prepared.target.source
        with (
            structlog.contextvars.bound_contextvars(run_id=run_id),
            RUN_SECONDS.labels(source).time(),
            self._open_publisher(prepared.target) as publisher,
        ):
            # Fences whoever ran the source before.
            previous = publisher.take_over()
            if previous is not None and self._is_over(job, previous):
                return _nothing(job, run_id, previous)
            beginning = self._beginning(prepared, job, previous)
            with self._overlap(prepared, beginning) as overlap:
                run = Run(
                    prepared,
                    publisher,
                    beginning,
                    overlap,
                    job=job,
                    run_id=run_id,
                    writer=writer_name(),
                    limits=self._limits,
                    now=self._now,
                )
                report = self._consumed(run, prepared, beginning, run_id)
        if report.completed and job.until is None:
            LAST_SUCCESS.labels(source).set(self._now().timestamp())
        return report

    def _consumed(self, run: Run, prepared: Prepared, beginning: Beginning, run_id: str) -> RunReport:
        since = beginning.since
        _log.info("run_started", since=None if since is None else str(since))
        intake = Intake(
            prepared.connector, prepared.encoder, run_id=run_id, now=self._now, backfill=beginning.backfill
        )
        with self._extracting(prepared.target.source, intake, since) as slices:
            report = run.consume(slices)
        _log.info("run_ended", **{name: value for name, value in vars(report).items() if name not in _BOUND})
        if report.complaint is not None:
            _log.warning("items_rejected", rejected=report.rejected, why=report.complaint)
        return report

    def _is_over(self, job: JobPayload, previous: Position) -> bool:
        """Whether another producer has done the job while this one's place in the group was in doubt (P9).

        A process of no group runs what it is told to.
        """
        return job.job_id in previous.jobs and self._ownership.lease(job.source) is not None

    def _beginning(self, prepared: Prepared, job: JobPayload, previous: Position | None) -> Beginning:
        """Find out where the source stands."""
        connector, target = prepared.connector, prepared.target
        parse = connector.parse_since if connector.has_cursor() else None
        ends = self._topics.ends(target.topics)
        if previous is not None:
            previous = without_lost_ends(previous, ends)
        backfill = Backfill(type(connector), job, previous) if job.until is not None else None
        since = backfill.begin if backfill else connector.parse_since(_since(job, prepared, previous))
        starts = tail_starts(previous, since, parse, exact=connector.State is not None)
        return Beginning(previous, since, ends, starts, backfill)

    @contextmanager
    def _overlap(self, prepared: Prepared, beginning: Beginning) -> Iterator[Overlap]:
        """What is in the source's topics already of what it may yield."""
        # A backfill makes no records of what has changed back: it is not asked for what is newest.
        bounded = beginning.backfill is not None
        versions = None if bounded else versions_for(prepared.connector, prepared.encoder, beginning.since)
        with Overlap(versions) as overlap:
            if beginning.starts is not None:
                self._tails.read(prepared.target, beginning.starts, overlap)
            yield overlap

    @contextmanager
    def _extracting(self, source: str, intake: Intake, since: Any) -> Iterator[Slices[Any, Batch]]:
        # The connector's thread copies the context, and with it what its HTTP clients count against.
        with governed_by(lease=self._ownership.lease(source), budget=self._limiter.budget(source)):
            slices = Slices(
                source,
                lambda: intake.open(deepcopy(since)),
                intake.batch,
                max_items=self._settings.slice_records,
                max_seconds=self._settings.slice_seconds,
                weigh=lambda batch: batch.weight,
            )
        with self._lock:
            self._running[source] = slices
            if self._all_stopped or source in self._stopped:
                slices.stop()
        try:
            with slices:
                yield slices
        finally:
            with self._lock:
                del self._running[source]
            if not slices.join(_CLOSE_SECONDS):
                _log.warning("generator_left_behind", seconds=_CLOSE_SECONDS)


_BOUND = frozenset({"source", "run_id"})


def _nothing(job: JobPayload, run_id: str, position: Position) -> RunReport:
    _log.info("job_was_over", last_run=position.run_id, writer=position.writer)
    return RunReport(job.source, run_id, 0, 0, 0, seconds=0.0, cursor=position.cursor)


def _since(job: JobPayload, prepared: Prepared, previous: Position | None) -> Any:
    if job.since is not None:
        return job.since
    connector = prepared.connector
    # A connector that no longer declares a cursor starts from nothing, whatever was stored for it.
    if previous is None or previous.cursor is None or not connector.has_cursor():
        return None
    return looking_back(type(connector), connector.parse_since(previous.cursor))


def _with_place(error: SourceError, cls: type[BaseConnector]) -> SourceError:
    """The same, with the line of the author's file that it comes from, if it comes from there."""
    if error.__cause__ is None:
        return error
    try:
        file = Path(inspect.getfile(cls))
    except (OSError, TypeError):
        # A class that was made without a file.
        return error
    line, _ = explain(error.__cause__, file)
    return error if line is None else SourceError(f"{error} ({file}:{line})", retry_after=error.retry_after)


def _put_back(source: str, until: datetime, why: str) -> Requeued:
    LIMITED.labels(source).inc()
    return Requeued(until, why)
