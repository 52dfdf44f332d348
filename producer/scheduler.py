"""Which job is due, and what becomes of it afterwards: ticks, the delayed queue, retries, pauses, states.

Pure bookkeeping under one lock: no threads, no waiting, no Kafka. The workers ask it for jobs and tell it how
they ended.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from random import random

from producer import job_changes
from producer.backoff import retry_wait, server_wait
from producer.engine import Requeued
from producer.errors import NextStep, next_step, words_of
from producer.job_queue import JobQueue, Queued
from producer.journal import Journal, NoJournal
from producer.limiter import utc_now
from producer.run import RunReport
from producer.states import State, Status
from producer.status_board import StatusBoard
from producer.ticks import Ticks
from schemas.records import JobPayload, Waits

MAX_ATTEMPTS = 5
_REMEMBERED = 1000

Outcome = RunReport | Requeued | BaseException


class Scheduler:
    """Keeps the clock of all sources. Safe to use from several threads.

    A source runs one job at a time; jobs of it that come due meanwhile, or while it is paused, wait. A job
    leaves only when it has run. When its attempts are used up, its source is FAILED: it has no ticks until
    somebody asks for a run or a restart, or until a producer takes it over that was started afterwards.
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
        self._journal = journal or NoJournal()
        self._born = now()
        self._lock = threading.Lock()
        self._ticks: dict[str, Ticks] = {}
        self._queue = JobQueue()
        self._running: dict[str, Queued] = {}
        self._failed: dict[str, JobPayload] = {}
        # Sources that do not run for want of settings, and which.
        self._refused: dict[str, str] = {}
        self._board = StatusBoard(now, on_status)
        # Sources given away while a run of theirs has not ended: its end is nobody's business.
        self._orphans: set[str] = set()
        # Jobs that are over: what was written of them before may still be read.
        self._over: deque[str] = deque(maxlen=_REMEMBERED)

    def add(
        self,
        source: str,
        ticks: Ticks,
        last_completed: datetime | None,
        jobs: Sequence[JobPayload] = (),
        done: datetime | None = None,
        last_success: datetime | None = None,
    ) -> None:
        """Begin to keep the clock of `source`.

        `last_completed` is when the last run had started that reached the end of its source, `last_success`
        when it had ended (None: not known), `done` the tick it was for, if known; `jobs` are those that the
        jobs topic has: one of a tick stands for the next tick, a failed one for FAILED. A job that failed
        before this process was started is tried once more.
        """
        with self._lock:
            self._ticks[source] = ticks
            self._refused.pop(source, None)
            if succeeded := last_success or last_completed:
                self._board.succeeded(source, succeeded)
            failed = self._newest_failed(jobs)
            for job in jobs:
                if job.failed is None and job.tick is None:
                    self._put(job, stored=True)
            stored = [job for job in jobs if job.failed is None and job.tick is not None]
            if failed is not None and self._is_old(failed):
                failed = self._revive(failed, MAX_ATTEMPTS)
                if failed.tick is None:
                    self._put(failed, stored=True)
                else:
                    stored = [failed]
            elif failed is not None:
                self._be_failed(failed)
                return
            self._begin_ticks(source, stored, ticks.first(last_completed, self._now(), done))

    def unassigned(self, source: str, reason: str) -> None:
        """A source that another process runs, or nobody yet: forget its clock and its jobs.

        A run that has not ended goes on; what becomes of it changes nothing here.
        """
        with self._lock:
            for known in (self._ticks, self._failed, self._refused):
                known.pop(source, None)
            self._board.resume(source)
            self._queue.remove(lambda queued: queued.source == source)
            if source in self._running:
                self._orphans.add(source)
                # A tick that has begun is no missed one; if it ends as a whole, its position says so.
                if not self._running[source].stored:
                    self._journal.keep(self._running[source].job)
            self._board.tell(source, State.UNASSIGNED, reason)

    def tell(self, source: str) -> None:
        """Tell its state once more."""
        with self._lock:
            self._tell_present(source)

    def running(self, source: str) -> bool:
        """Whether a job that `take_due` gave for `source` has not ended."""
        with self._lock:
            return source in self._running

    def cancel(self, deleted: Callable[[JobPayload], bool]) -> None:
        """The records of those jobs were deleted: they are not run, unless they run already.

        A tick stays: nobody asks for one, and only a producer that takes this one's for a former owner's
        deletes it.
        """
        with self._lock:
            gone = self._queue.remove(
                lambda queued: queued.stored and queued.job.tick is None and deleted(queued.job)
            )
            for queued in gone:
                self._tell_present(queued.source)

    def refuse(self, source: str, reason: str) -> None:
        """A source that is known and cannot run here, until `add`. It may be paused all the same."""
        with self._lock:
            self._refused[source] = reason
            self._tell_present(source)

    def put(self, job: JobPayload, *, stored: bool = False) -> None:
        """Ask for a run besides the schedule; at `job.not_before`, or at once. `stored`: it was read from the
        jobs topic. A job that is known, failed or over changes nothing.
        """
        with self._lock:
            if stored and self._is_late(job):
                self._end(job)
            else:
                self._put(job, stored=stored)

    def restart(self, job: JobPayload) -> None:
        """Try a failed job of the source again from its first attempt; if there is none, run `job`."""
        with self._lock:
            failed = self._failed.pop(job.source, None)
            if failed is None:
                # Carried out: its record, put back or failed, must not ask for it again.
                self._put(job.model_copy(update={"restart": False}), stored=True)
                return
            self._end(job)
            self._put(self._revive(failed, 1), stored=True)
            if failed.tick is None:
                self._next_tick(job.source, self._now())
            self._tell_present(job.source)

    def pause(self, source: str, reason: str) -> None:
        """Begin no job of `source` until `resume`. One that runs is not ended here."""
        with self._lock:
            self._board.pause(source, reason)
            self._tell_present(source)

    def resume(self, source: str) -> None:
        """Go on with what has waited; ticks that have passed are made up for as the source declares."""
        with self._lock:
            if self._board.resume(source):
                self._release(source)
                self._tell_present(source)

    def take_due(self) -> JobPayload | None:
        """A job to run now, or None. The source counts as running until `done`."""
        with self._lock:
            while (queued := self._queue.pop_due(self._now())) is not None:
                source = queued.source
                if source in self._running or self._board.is_paused(source):
                    self._queue.hold(queued)
                    continue
                self._recover(source)
                self._running[source] = queued
                self._board.tell(source, State.RUNNING, job_changes.why_it_runs(queued.job))
                return queued.job
        return None

    def next_due(self) -> datetime | None:
        """When the next job will be due; None while there is none."""
        with self._lock:
            return self._queue.next_due()

    def done(self, source: str, outcome: Outcome) -> None:
        """The job that `take_due` gave for `source` has ended, so or so."""
        with self._lock:
            queued = self._running.pop(source)
            if source in self._orphans:
                self._orphans.discard(source)
                if source in self._ticks:
                    # Ours again, and until now it has waited for this.
                    self._tell_present(source)
            elif isinstance(outcome, RunReport):
                self._board.note(source, outcome.complaint)
                self._ended(queued, completed=outcome.completed)
            elif isinstance(outcome, Requeued):
                self._again(queued.job, outcome.not_before, "BLOCKED", outcome.reason)
            else:
                self._went_wrong(queued, outcome)
            self._release(source)

    def waits(self, source: str, reason: str | None) -> None:
        """What a run of `source` waits for before it goes on; None: for nothing."""
        with self._lock:
            if source in self._running and source not in self._orphans:
                self._board.waits(source, reason)

    def statuses(self) -> Mapping[str, Status]:
        """The state of every source, by name."""
        with self._lock:
            return self._board.statuses()

    def _put(self, job: JobPayload, *, stored: bool) -> None:
        if job.failed is None and not self._is_known(job) and job.job_id not in self._over:
            self._queue.put(job, job.not_before or self._now(), stored=stored)

    def _is_late(self, job: JobPayload) -> bool:
        """Written by a former owner that has not noticed yet; or read when it was over."""
        if self._is_known(job):
            return False
        return job.tick is not None or job.failed is not None or job.job_id in self._over

    def _known(self) -> Iterator[Queued]:
        yield from self._queue
        # The end of an orphan's run changes nothing: its job is to be run again.
        yield from (queued for source, queued in self._running.items() if source not in self._orphans)

    def _is_known(self, job: JobPayload) -> bool:
        known = (*(queued.job for queued in self._known()), *self._failed.values())
        return any(job.job_id == other.job_id for other in known)

    def _release(self, source: str) -> None:
        """Queue again what was held, unless it has to wait on."""
        if source in self._running or self._board.is_paused(source):
            return
        ticks = self._ticks.get(source)
        for queued in self._queue.let_go(source):
            of_schedule = queued.job.tick is not None and not queued.stored
            if ticks is not None and of_schedule and ticks.missed == "skip":
                self._enqueue_tick(source, ticks.after(self._now()))
            else:
                self._queue.put(queued.job, queued.due, stored=queued.stored, waits=queued.waits)

    def _ended(self, queued: Queued, *, completed: bool) -> None:
        source, now = queued.source, self._now()
        if not completed:
            # By the end of the process or a pause. What has begun is no missed tick.
            job = job_changes.rested(queued.job)
            if job != queued.job or not queued.stored:
                self._journal.keep(job)
            self._queue.put(job, now, stored=True, waits=queued.waits)
            self._board.tell(source, State.SCHEDULED, "stopped before its end", now)
            return
        if queued.job.until is None:
            self._board.succeeded(source, now)
        # The next tick first: of a deleted one, nobody could tell what comes behind it.
        if queued.job.tick is not None:
            self._next_tick(source, queued.job.tick)
        self._end(queued.job, stored=queued.stored)
        self._tell_present(source)

    def _went_wrong(self, queued: Queued, error: BaseException) -> None:
        step, reason, now = next_step(error), words_of(error), self._now()
        self._board.failed(queued.source, reason)
        if step is NextStep.WAIT:
            due = now + server_wait(queued.waits, self._jitter)
            self._again(queued.job, due, "BLOCKED", reason, waits=queued.waits + 1)
        elif step is NextStep.STOP or queued.job.attempt >= MAX_ATTEMPTS:
            job = job_changes.failed(queued.job, now, reason)
            self._journal.keep(job)
            self._be_failed(job)
        else:
            due = now + retry_wait(queued.job.attempt, error, self._jitter)
            attempt = queued.job.model_copy(update={"attempt": queued.job.attempt + 1})
            self._again(attempt, due, "RETRYING", reason)

    def _again(self, job: JobPayload, due: datetime, state: Waits, reason: str, *, waits: int = 0) -> None:
        job = job_changes.put_back(job, due, state, reason)
        self._queue.put(job, due, stored=True, waits=waits)
        self._journal.keep(job)
        self._board.tell(job.source, State(state), reason, due)

    def _end(self, job: JobPayload, *, stored: bool = True) -> None:
        self._over.append(job.job_id)
        if stored:
            self._journal.drop(job)

    def _newest_failed(self, jobs: Sequence[JobPayload]) -> JobPayload | None:
        """The one that the source is FAILED by; forgets those that failed before it."""
        failed = [job for job in jobs if job.failed is not None]
        failed.sort(key=lambda job: job.failed or self._born)
        for former in failed[:-1]:
            self._end(former)
        return failed[-1] if failed else None

    def _be_failed(self, failed: JobPayload) -> None:
        """No ticks from now on; jobs that were asked for still come due, and each is a way back."""
        source = failed.source
        former = self._failed.get(source)
        if former is not None and former.job_id != failed.job_id:
            self._end(former)
        self._failed[source] = failed
        self._drop_ticks(source)
        self._board.tell(source, State.FAILED, failed.reason)

    def _recover(self, source: str) -> None:
        """A job runs though the source has failed: somebody asked for it, so the clock goes on, too."""
        failed = self._failed.pop(source, None)
        if failed is not None:
            self._end(failed)
            self._next_tick(source, self._now())

    def _is_old(self, failed: JobPayload) -> bool:
        return failed.failed is not None and failed.failed < self._born

    def _revive(self, failed: JobPayload, attempt: int) -> JobPayload:
        """The failed job, to be tried again at once; kept as such, so that it is what another owner finds."""
        job = job_changes.revived(failed, attempt)
        self._journal.keep(job)
        return job

    def _begin_ticks(self, source: str, stored: Sequence[JobPayload], first: datetime | None) -> None:
        for job in stored[:-1]:
            self._journal.drop(job)
        if stored:
            self._put(stored[-1], stored=True)
            self._tell_present(source)
        else:
            self._enqueue_tick(source, first)
            self._tell_clock(source)

    def _next_tick(self, source: str, tick: datetime) -> None:
        ticks = self._ticks.get(source)
        if ticks is not None:
            self._enqueue_tick(source, ticks.following(tick, self._now()))

    def _enqueue_tick(self, source: str, tick: datetime | None) -> None:
        if tick is None:
            return
        ticks, now = self._ticks[source], self._now()
        job = JobPayload(source=source, reason="schedule", tick=tick)
        # The others follow from when the last run was; this one does not.
        stored = ticks.missed == "all" and tick < now
        if stored:
            self._journal.keep(job)
        due = now if tick <= now else ticks.due(tick)
        self._queue.put(job, due, stored=stored)

    def _drop_ticks(self, source: str) -> None:
        gone = self._queue.remove(lambda queued: queued.source == source and queued.job.tick is not None)
        for queued in gone:
            if queued.stored:
                self._end(queued.job)

    def _tell_present(self, source: str) -> None:
        """Tell the state that follows from what is known, after something else than a run has changed it."""
        failed, running = self._failed.get(source), self._running.get(source)
        if running is not None:
            self._board.tell(source, State.RUNNING, job_changes.why_it_runs(running.job))
        elif failed is not None:
            self._board.tell(source, State.FAILED, failed.reason)
        elif source in self._refused:
            self._board.tell(source, State.BLOCKED, self._refused[source])
        else:
            self._tell_clock(source)

    def _tell_clock(self, source: str) -> None:
        queued = min((queued for queued in self._known() if queued.source == source), default=None)
        if queued is not None:
            of_schedule = queued.job.tick is not None and queued.job.waits is None
            reason = None if of_schedule else queued.job.reason
            self._board.tell(source, State(queued.job.waits or State.SCHEDULED), reason, queued.due)
        elif source in self._ticks:
            self._board.tell(source, State.FAILED, "its schedule gives no next time")
        else:
            self._board.tell(source, State.SCHEDULED)
