"""Which job is due, and what becomes of it afterwards: schedules, the delayed queue, retries, states.

Pure bookkeeping under one lock: no threads, no waiting, no Kafka. The workers ask it for jobs and tell it how
they ended.
"""

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import random
from typing import TYPE_CHECKING, Protocol

import structlog

from producer.engine import Requeued
from producer.errors import NextStep, SourceError, next_step, words_of
from producer.limiter import utc_now
from producer.run import RunReport
from schemas.records import JobPayload

if TYPE_CHECKING:
    from connectors.schedule import Schedule

MAX_ATTEMPTS = 5
# Seconds before the second attempt; doubled for each one after, up to the longest.
RETRY_SECONDS, RETRY_LONGEST = 5.0, 300.0
WAIT_SECONDS, WAIT_LONGEST = 1.0, 15.0
# An outside API may ask for an absurd wait; one request an hour hurts nobody.
RETRY_AFTER_LONGEST = 3600.0
_REMEMBERED = 1000
_log = structlog.get_logger(__name__)


class State(StrEnum):
    """What a source is doing, in upper case as Kafka Connect writes it."""

    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    LIMITED = "LIMITED"
    WAITING = "WAITING"
    RETRYING = "RETRYING"
    FAILED = "FAILED"
    NOT_CONFIGURED = "NOT_CONFIGURED"
    UNASSIGNED = "UNASSIGNED"


@dataclass(frozen=True)
class Failure:
    """A run that ended with an error, also one for want of broker or registry."""

    at: datetime
    reason: str


@dataclass(frozen=True)
class Status:
    """State of one source, for people: since when, why, and when its next job is due.

    `last_success` is when a run last reached the end of its source, of an earlier life of the daemon too;
    `last_failure` is of this life.
    """

    state: State
    since: datetime
    reason: str | None = None
    next_due: datetime | None = None
    last_success: datetime | None = None
    last_failure: Failure | None = None


Outcome = RunReport | Requeued | BaseException


@dataclass(order=True, frozen=True)
class _Queued:
    """A job with its time. `stored`: the jobs topic has a record of it."""

    due: datetime
    order: int
    job: JobPayload = field(compare=False)
    stored: bool = field(compare=False, default=False)
    waits: int = field(compare=False, default=0)


class Journal(Protocol):
    """Where jobs are kept that outlive the process. Called under the scheduler's lock: must be quick."""

    def keep(self, job: JobPayload) -> None:
        """The job was put back, as it is now."""
        ...

    def drop(self, job: JobPayload) -> None:
        """The job is over."""
        ...


class _NoJournal:
    def keep(self, job: JobPayload) -> None:
        """Forget it."""

    def drop(self, job: JobPayload) -> None:
        """There is nothing."""


class Scheduler:
    """Keeps the clock of all sources. Safe to use from several threads.

    A source runs one job at a time; jobs of it that come due meanwhile wait for its end. A tick missed while
    it runs, or while the daemon was down, is made up for once. A job leaves only when it has run, or when its
    attempts are used up: then its source is FAILED until its next tick.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = utc_now,
        jitter: Callable[[], float] = random,
        on_status: Callable[[str, Status], object] = lambda source, status: None,
        journal: Journal | None = None,
    ) -> None:
        """`jitter` gives numbers from 0 to 1; `on_status` is called under the lock, so it must be quick."""
        self._now = now
        self._jitter = jitter
        self._on_status = on_status
        self._journal = journal or _NoJournal()
        self._lock = threading.Lock()
        self._order = itertools.count()
        self._schedules: dict[str, Schedule] = {}
        self._queue: list[_Queued] = []
        self._running: dict[str, _Queued] = {}
        self._held: dict[str, list[_Queued]] = {}
        self._statuses: dict[str, Status] = {}
        self._successes: dict[str, datetime] = {}
        self._failures: dict[str, Failure] = {}
        # Sources given away while a run of theirs has not ended: its end is nobody's business.
        self._orphans: set[str] = set()
        # Jobs that are over: what was written of them before may still be read.
        self._over: deque[str] = deque(maxlen=_REMEMBERED)

    def add(
        self,
        source: str,
        schedule: "Schedule",
        last_completed: datetime | None,
        jobs: Sequence[JobPayload] = (),
    ) -> None:
        """Begin to keep the clock of `source`.

        Its first run is at once if no run has completed yet, or if a tick has passed since the last one that
        did (`last_completed` is when that one had started); otherwise at the next tick. A time to come, which
        a clock gone wrong has written, counts as now. `jobs` are those that the jobs topic has; one of a tick
        stands for the next tick.
        """
        now = self._now()
        with self._lock:
            self._schedules[source] = schedule
            if last_completed is not None:
                self._successes[source] = last_completed
            ticks = [job for job in jobs if job.tick is not None]
            for job in jobs:
                if job.tick is None:
                    self._put(job, stored=True)
            for job in ticks[:-1]:
                self._journal.drop(job)
            if ticks:
                self._put(ticks[-1], stored=True)
                self._tell(source, State.SCHEDULED, ticks[-1].reason, ticks[-1].not_before)
                return
            due = now if last_completed is None else self._tick_after(source, min(last_completed, now))
            self._enqueue_tick(source, State.SCHEDULED, None, due and max(now, due))

    def unassigned(self, source: str, reason: str) -> None:
        """A source that another process runs, or nobody yet: forget its clock and its jobs.

        A run that has not ended goes on; what becomes of it changes nothing here.
        """
        with self._lock:
            self._schedules.pop(source, None)
            self._held.pop(source, None)
            self._queue = [queued for queued in self._queue if queued.job.source != source]
            heapq.heapify(self._queue)
            if source in self._running:
                self._orphans.add(source)
            self._tell(source, State.UNASSIGNED, reason)

    def running(self, source: str) -> bool:
        """Whether a job that `take_due` gave for `source` has not ended."""
        with self._lock:
            return source in self._running

    def cancel(self, job_id: str) -> None:
        """The record of a job was deleted: it is not run, unless it runs already."""
        with self._lock:
            for held in (self._queue, *self._held.values()):
                held[:] = [queued for queued in held if queued.job.job_id != job_id or not queued.stored]
            heapq.heapify(self._queue)

    def refuse(self, source: str, reason: str) -> None:
        """A source that is known and does not run, for want of settings."""
        with self._lock:
            self._tell(source, State.NOT_CONFIGURED, reason)

    def put(self, job: JobPayload, *, stored: bool = False) -> None:
        """Ask for a run besides the schedule; at `job.not_before`, or at once. `stored`: it was read from the
        jobs topic. A job that is known, or over, changes nothing.
        """
        with self._lock:
            self._put(job, stored=stored)

    def take_due(self) -> JobPayload | None:
        """A job to run now, or None. The source counts as running until `done`."""
        with self._lock:
            while self._queue and self._queue[0].due <= self._now():
                queued = heapq.heappop(self._queue)
                source = queued.job.source
                if source in self._running:
                    self._held.setdefault(source, []).append(queued)
                    continue
                self._running[source] = queued
                self._tell(source, State.RUNNING, queued.job.reason)
                return queued.job
        return None

    def next_due(self) -> datetime | None:
        """When the next job will be due; None while there is none."""
        with self._lock:
            return self._queue[0].due if self._queue else None

    def done(self, source: str, outcome: Outcome) -> None:
        """The job that `take_due` gave for `source` has ended, so or so."""
        with self._lock:
            queued = self._running.pop(source)
            if source in self._orphans:
                self._orphans.discard(source)
            elif isinstance(outcome, RunReport):
                if outcome.completed:
                    self._successes[source] = self._now()
                    self._finish(queued, State.SCHEDULED, None)
                else:
                    # It was stopped: by the end of the process, or of its ownership. Its record stays.
                    self._enqueue(replace(queued, due=self._now(), order=next(self._order)))
                    self._tell(source, State.SCHEDULED, "stopped before its end", self._now())
            elif isinstance(outcome, Requeued):
                self._again(queued, outcome.not_before, State.LIMITED, outcome.reason)
            else:
                self._failed(queued, outcome)
            for held in self._held.pop(source, []):
                self._enqueue(held)

    def statuses(self) -> Mapping[str, Status]:
        """The state of every source, by name."""
        with self._lock:
            return dict(sorted(self._statuses.items()))

    def _put(self, job: JobPayload, *, stored: bool) -> None:
        held = [queued for several in self._held.values() for queued in several]
        # The end of an orphan's run changes nothing: its job is to be run again.
        running = [queued for source, queued in self._running.items() if source not in self._orphans]
        known = [queued.job.job_id for queued in (*self._queue, *running, *held)]
        if job.job_id not in known and job.job_id not in self._over:
            self._enqueue(_Queued(job.not_before or self._now(), next(self._order), job, stored))

    def _failed(self, queued: _Queued, error: BaseException) -> None:
        step, reason = next_step(error), words_of(error)
        now = self._now()
        self._failures[queued.job.source] = Failure(now, reason)
        if step is NextStep.WAIT:
            wait = self._spread(WAIT_SECONDS, WAIT_LONGEST, queued.waits)
            self._again(replace(queued, waits=queued.waits + 1), now + wait, State.WAITING, reason)
        elif step is NextStep.STOP or queued.job.attempt >= MAX_ATTEMPTS:
            self._finish(queued, State.FAILED, reason)
        else:
            wait = max(self._spread(RETRY_SECONDS, RETRY_LONGEST, queued.job.attempt - 1), _asked_wait(error))
            attempt = queued.job.model_copy(update={"attempt": queued.job.attempt + 1})
            self._again(replace(queued, job=attempt), now + wait, State.RETRYING, reason)

    def _again(self, queued: _Queued, due: datetime, state: State, reason: str) -> None:
        job = queued.job.model_copy(update={"not_before": due, "reason": reason})
        self._enqueue(replace(queued, due=due, order=next(self._order), job=job, stored=True))
        self._journal.keep(job)
        self._tell(job.source, state, reason, due)

    def _finish(self, queued: _Queued, state: State, reason: str | None) -> None:
        source = queued.job.source
        self._over.append(queued.job.job_id)
        if queued.stored:
            self._journal.drop(queued.job)
        if queued.job.tick is not None:
            self._enqueue_tick(source, state, reason, self._tick_after(source, self._now()))
        else:
            self._tell(source, state, reason)

    def _tick_after(self, source: str, after: datetime) -> datetime | None:
        """None if the schedule, which may be a class of the author's own, gives none that can be used."""
        try:
            due = self._schedules[source].next_after(after)
            return due.astimezone(UTC) if due > after else None
        except Exception as exc:
            _log.error("schedule_raised", source=source, error=repr(exc))
            return None

    def _enqueue_tick(self, source: str, state: State, reason: str | None, due: datetime | None) -> None:
        if due is None:
            state, reason = State.FAILED, "its schedule gives no next time"
        else:
            job = JobPayload(source=source, reason="schedule", tick=due)
            self._enqueue(_Queued(due, next(self._order), job))
        self._tell(source, state, reason, due)

    def _enqueue(self, queued: _Queued) -> None:
        heapq.heappush(self._queue, queued)

    def _spread(self, first: float, longest: float, doublings: int) -> timedelta:
        """Exponential, and up to a half longer: what failed together should not return together."""
        seconds = min(longest, first * 2.0 ** min(doublings, 30))
        return timedelta(seconds=seconds * (1 + self._jitter() / 2))

    def _tell(
        self, source: str, state: State, reason: str | None = None, next_due: datetime | None = None
    ) -> None:
        success, failure = self._successes.get(source), self._failures.get(source)
        status = Status(state, self._now(), reason, next_due, success, failure)
        self._statuses[source] = status
        self._on_status(source, status)


def _asked_wait(error: BaseException) -> timedelta:
    asked = error.retry_after if isinstance(error, SourceError) else None
    return timedelta(seconds=min(asked or 0.0, RETRY_AFTER_LONGEST))
