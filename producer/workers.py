"""Threads that run due jobs: bounded, one per running source, each isolated from the others.

What is due is the scheduler's, how a job runs the engine's.
"""

import math
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import structlog

from producer.errors import NextStep, next_step, words_of
from producer.limiter import utc_now
from producer.metrics import RETRIES
from producer.scheduler import Scheduler
from runtime.stopping import Deadline, Stopping
from schemas.records import JobPayload

if TYPE_CHECKING:
    from producer.engine import Requeued
    from producer.run import RunReport

# A connector that has been silent for this long lends its place to another source until it speaks again.
STALLED_SECONDS = 30.0
_BEAT = 0.5
_DEAD_SECONDS = 30.0
_log = structlog.get_logger(__name__)


class Engine(Protocol):
    """What runs the jobs; the IngestionEngine does."""

    def run(self, job: JobPayload) -> "RunReport | Requeued":
        """Run the job to its end."""
        ...

    def silent_for(self, source: str) -> float | None:
        """Seconds since the source's connector has been waited for; None while it is not."""
        ...

    def waits_for(self, source: str) -> str | None:
        """The limit or quota that the source's run waits for in the midst of it; None: for none."""
        ...


class Workers:
    """Runs the scheduler's jobs on at most `workers` threads at a time.

    A source that blocks would hold its thread for ever. It keeps the thread, but stops counting: others run.
    Sources that wait for the broker do count, so an outage never starts them all.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        engine: Engine,
        *,
        workers: int,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        stalled_seconds: float = STALLED_SECONDS,
        beat: float = _BEAT,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """`ready` tells whether a job may begin now, whichever it is."""
        self._ready = ready
        self._scheduler = scheduler
        self._engine = engine
        self._workers = workers
        self._now = now
        self._clock = clock
        self._stalled_seconds = stalled_seconds
        self._beat = beat
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._beat_at: float | None = None

    def serve(self, stopping: Stopping) -> None:
        """Start jobs as they come due, until `stopping`."""
        while not stopping.requested:
            self._beat_at = self._clock()
            self._wake.clear()
            while self._has_room() and (job := self._scheduler.take_due()) is not None:
                self._start(job)
            for source in self._sources():
                self._scheduler.waits(source, self._engine.waits_for(source))
            self._wake.wait(self._pause())

    def alive(self) -> str | None:
        """None while the loop beats, for a liveness check."""
        silent = 0.0 if self._beat_at is None else self._clock() - self._beat_at
        return None if silent < _DEAD_SECONDS else f"the scheduler has not looked for jobs for {silent:.0f} s"

    def join(self, deadline: Deadline) -> bool:
        """Wait for the running jobs to end; False if some are still running at the deadline."""
        for thread in self._running():
            thread.join(deadline.remaining())
        return not self._running()

    def _running(self) -> list[threading.Thread]:
        with self._lock:
            return [thread for thread in self._threads.values() if thread.is_alive()]

    def _has_room(self) -> bool:
        return self._ready() and self._active() < self._workers

    def _sources(self) -> list[str]:
        with self._lock:
            return [source for source, thread in self._threads.items() if thread.is_alive()]

    def _active(self) -> int:
        silences = [self._engine.silent_for(source) for source in self._sources()]
        return sum(silent is None or silent < self._stalled_seconds for silent in silences)

    def _pause(self) -> float:
        due = self._scheduler.next_due()
        until_due = math.inf if due is None else (due - self._now()).total_seconds()
        # What is due and was not taken waits for a place, and whoever leaves one says so.
        return min(self._beat, until_due) if until_due > 0 else self._beat

    def _start(self, job: JobPayload) -> None:
        thread = threading.Thread(target=self._run, args=(job,), name=f"run-{job.source}", daemon=True)
        with self._lock:
            self._threads[job.source] = thread
        thread.start()

    def _run(self, job: JobPayload) -> None:
        outcome: RunReport | Requeued | BaseException
        try:
            outcome = self._engine.run(job)
        except BaseException as exc:
            # Also SystemExit: a connector's constructor may call sys.exit(), and hurts no other source with
            # it.
            outcome = exc
        try:
            if isinstance(outcome, BaseException):
                self._log_failure(job, outcome)
        finally:
            self._scheduler.done(job.source, outcome)
            self._wake.set()

    def _log_failure(self, job: JobPayload, error: BaseException) -> None:
        step = next_step(error)
        facts = {"source": job.source, "attempt": job.attempt, "error": words_of(error)}
        if step is NextStep.WAIT:
            _log.warning("run_put_back", **facts)
            return
        if step is NextStep.RETRY:
            RETRIES.labels(job.source).inc()
        _log.error("run_failed", next_step=step.value, exc_info=error, **facts)
