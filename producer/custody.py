"""What it means to own sources: fence whoever ran them, keep their clocks and jobs, and let go in time (P9).

Who owns what is decided in the group, which is the fleet's to follow.
"""

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

import structlog

from producer.engine import IngestionEngine
from producer.errors import CursorError, NextStep, next_step, words_of
from producer.jobs import JobsTopic, Request, key_of, paused_source
from producer.limiter import RateLimiter
from producer.metrics import LAST_SUCCESS
from producer.ownership import GroupOwnership
from producer.positions import Position
from producer.scheduler import Scheduler
from producer.ticks import Ticks
from producer.waiting import Waiting
from runtime.stopping import Deadline
from schemas.records import JobPayload, Pause

_RETRY_SECONDS = 1.0
_STEP = 0.02
# Each has a transactional producer with its threads; a whole fleet's sources may come at once.
_AT_ONCE = 8
ELSEWHERE = "another producer runs it"
_log = structlog.get_logger(__name__)


class Custody:
    """Takes sources and gives them up. Called by the fleet's thread; each take-over has a thread of its own.

    A take-over waits for the broker; the group is not kept waiting for it.
    """

    def __init__(
        self,
        ticks: Mapping[str, Ticks],
        refused: Mapping[str, str],
        scheduler: Scheduler,
        engine: IngestionEngine,
        limiter: RateLimiter,
        ownership: GroupOwnership,
        jobs: JobsTopic,
        abandon: threading.Event,
    ) -> None:
        """`ticks` are the clocks of all sources that may run, `refused` says of others why they may not."""
        self._ticks = ticks
        self._refused = refused
        self._scheduler = scheduler
        self._engine = engine
        self._limiter = limiter
        self._ownership = ownership
        self._jobs = jobs
        self._abandon = abandon
        self._lock = threading.Lock()
        self._gate = threading.BoundedSemaphore(_AT_ONCE)
        # Of sources whose take-over is not finished: its thread, what ends it, and what was read meanwhile.
        self._taking: dict[str, tuple[threading.Thread, threading.Event]] = {}
        self._early: dict[str, dict[str, Request]] = {}
        self._done: dict[str, tuple[str, ...]] = {}
        # The refused ones of our partitions: nothing of theirs runs, but they can be paused.
        self._idle: set[str] = set()
        # Those whose take-over fails, and says so: they can be paused as well.
        self._hindered: set[str] = set()

    def take(self, partition: int, requests: Iterable[Request]) -> None:
        """The sources of `partition` are ours, and these are their jobs and pauses. Does not wait for the
        take-overs; for those to be moved elsewhere, some seconds at most.
        """
        found: dict[str, dict[str, Request]] = {}
        requests = list(requests)
        for request in requests:
            found.setdefault(request.source, {})[key_of(request)] = request
        for unknown in found.keys() - self._ticks.keys() - self._refused.keys():
            _log.warning("job_of_unknown_source", source=unknown, jobs=sorted(found[unknown]))
        for source, reason in self._refused.items():
            if self._jobs.partition(source) == partition:
                self._take_idle(source, reason, found.get(source, {}))
        if astray := [request for request in requests if self._is_astray(request, partition)]:
            self._move(astray, partition)
        ours = [source for source in self._ticks if self._jobs.partition(source) == partition]
        for source in ours:
            # Not new to us after a doubt; somebody else may have asked its upstream meanwhile.
            self._limiter.doubt(source)
        for source in ours:
            self._take(source, found.get(source, {}))

    def _is_astray(self, request: Request, partition: int) -> bool:
        """Of a time when the topic had fewer partitions, or the source another upstream."""
        is_known = request.source in self._ticks or request.source in self._refused
        return is_known and self._jobs.partition(request.source) != partition

    def _move(self, requests: Collection[Request], former: int) -> None:
        """To where they are read again."""
        sources = sorted({request.source for request in requests})
        _log.info("jobs_moved", sources=sources, former=former, jobs=sorted(map(key_of, requests)))
        self._jobs.move(requests, former)

    def offer(self, partition: int, request: Request) -> None:
        """A job or a pause was written to `partition` while that is ours."""
        if self._is_astray(request, partition):
            self._move([request], partition)
            return
        with self._lock:
            if request.source in self._early:
                self._early[request.source][key_of(request)] = request
                if request.source in self._hindered:
                    self._obey_idle(request)
            elif request.source in self._idle:
                self._obey_idle(request)
            elif self._ownership.given(request.source):
                self._obey(request)

    def cancel(self, partition: int, key: str) -> None:
        """The record of a job or pause was deleted from `partition`; it may have been moved elsewhere."""
        with self._lock:
            for source, early in self._early.items():
                if self._jobs.partition(source) == partition:
                    early.pop(key, None)
            paused = paused_source(key)
            if paused is None:
                self._scheduler.cancel(
                    lambda job: job.job_id == key and self._jobs.partition(job.source) == partition
                )
            elif self._jobs.partition(paused) == partition and self._is_ours(paused):
                _log.info("source_resumed", source=paused)
                self._engine.allow(paused)
                self._scheduler.resume(paused)

    def _is_ours(self, source: str) -> bool:
        return source in self._idle or self._ownership.given(source)

    def _take_idle(self, source: str, reason: str, requests: Mapping[str, Request]) -> None:
        with self._lock:
            self._idle.add(source)
            # Of a place that was in doubt there may be a pause that is over.
            self._scheduler.resume(source)
            for request in requests.values():
                self._obey_idle(request)
            self._scheduler.refuse(source, reason)

    def _obey_idle(self, request: Request) -> None:
        """Its jobs stay on the topic for a producer that can run them."""
        if isinstance(request, Pause):
            self._obey(request)

    def _obey(self, request: Request) -> None:
        source = request.source
        if isinstance(request, Pause):
            _log.info("source_paused", source=source, by=request.by)
            self._scheduler.pause(source, f"paused by {request.by}")
            # What runs ends at a checkpoint; `allow` undoes it.
            self._engine.stop(source)
        elif request.job_id in self._done.get(source, ()):
            return
        elif not request.restart or request.failed is not None:
            self._scheduler.put(request, stored=True)
        elif self._scheduler.running(source) and self._engine.interrupt(source):
            # The run ends at a checkpoint and is put back, since it has not come to the end of its source.
            # One that has not begun, or is ending, may fail: then this asks for another.
            self._jobs.drop(request)
        else:
            self._scheduler.restart(request)

    def give_up(self, partitions: Iterable[int], deadline: Deadline) -> None:
        """The sources of `partitions` go to somebody else: end their runs at a checkpoint, forget them.

        Returns when the runs have ended, at the latest at the deadline. What runs on may ask nothing of its
        upstream and begin no new epoch; the next owner fences it.
        """
        gone = set(partitions)
        sources = [one for one in self._ticks if self._jobs.partition(one) in gone]
        sources = [source for source in sources if self._ownership.given(source)]
        with self._lock:
            taking = [self._taking.pop(source) for source in sources if source in self._taking]
            for _, over in taking:
                over.set()
            for source in sources:
                self._hindered.discard(source)
                self._early.pop(source, None)
                self._engine.stop(source)
                # First: a job that begins now is nobody's business, and not put back on the topic.
                self._scheduler.unassigned(source, ELSEWHERE)
                if not self._scheduler.running(source):
                    self._ownership.lose(source)
            for source in [one for one in self._idle if self._jobs.partition(one) in gone]:
                self._idle.discard(source)
                self._scheduler.unassigned(source, ELSEWHERE)
        for thread, _ in taking:
            thread.join(deadline.remaining())
        while any(map(self._scheduler.running, sources)) and not deadline.expired:
            time.sleep(_STEP)
        for source in sources:
            if self._scheduler.running(source):
                _log.warning("run_left_behind", source=source, seconds=deadline.seconds)
            self._ownership.lose(source)
            self._release(source)
            _log.info("source_given_up", source=source)

    def _release(self, source: str) -> None:
        with suppress(KeyError):
            LAST_SUCCESS.remove(source)
        if not self._abandon.is_set():
            self._limiter.release(source)

    def _take(self, source: str, requests: dict[str, Request]) -> None:
        with self._lock:
            if self._ownership.given(source) and self._scheduler.running(source):
                # Ours before a broker was away, and again: its run has gone on. If another producer had it in
                # between, it is fenced.
                self._catch_up(source, requests)
                return
            self._hindered.discard(source)
            former = self._taking.pop(source, None)
            if former is not None:
                former[1].set()
            over = threading.Event()
            self._ownership.gain(source)
            self._scheduler.unassigned(source, "its take-over has begun")
            self._early[source] = dict(requests)
            thread = threading.Thread(
                target=self._take_over, args=(source, over), name=f"own-{source}", daemon=True
            )
            self._taking[source] = (thread, over)
            thread.start()

    def _catch_up(self, source: str, requests: Mapping[str, Request]) -> None:
        """Obey what was written, and forget what was deleted, while the place in the group was in doubt."""
        self._scheduler.cancel(lambda job: job.source == source and job.job_id not in requests)
        if not any(isinstance(request, Pause) for request in requests.values()):
            self._engine.allow(source)
            self._scheduler.resume(source)
        for request in requests.values():
            self._obey(request)
        # Somebody else may have told of it in between.
        self._scheduler.tell(source)

    def _take_over(self, source: str, over: threading.Event) -> None:
        waiting, told = Waiting(f"the take-over of {source}"), ""
        while not over.is_set() and not self._abandon.is_set():
            try:
                with self._gate:
                    if over.is_set():
                        return
                    position = self._fenced(source)
                    self._limiter.acquire(source)
            except Exception as exc:
                why = words_of(exc)
                waiting.still(why=why)
                # A server that is away is waited for; in the midst of a hindrance it is told, too.
                is_news = bool(told) or next_step(exc) is not NextStep.WAIT
                if is_news and why != told:
                    self._tell_hindrance(source, why, over)
                    told = why
                over.wait(_RETRY_SECONDS)
            else:
                waiting.progress()
                self._begin(source, position, over)
                return

    def _tell_hindrance(self, source: str, why: str, over: threading.Event) -> None:
        """It is ours, and cannot run: somebody has to change something, such as its rights."""
        _log.warning("take_over_failed", source=source, error=why)
        with self._lock:
            if over.is_set():
                return
            self._scheduler.refuse(source, f"its take-over fails: {why}")
            if source not in self._hindered:
                self._hindered.add(source)
                for request in self._early[source].values():
                    self._obey_idle(request)

    def _fenced(self, source: str) -> Position | None:
        try:
            return self._engine.fence(source)
        except CursorError:
            # Its next run says so, and what to do about it.
            return None

    def _begin(self, source: str, position: Position | None, over: threading.Event) -> None:
        completed = position.completed if position is not None else None
        # Older versions did not write when it had ended.
        finished = (position.finished or completed) if position is not None else None
        done = position.jobs if position is not None else ()
        with self._lock:
            if over.is_set():
                return
            del self._taking[source]
            self._hindered.discard(source)
            self._done[source] = done
            requests = self._early.pop(source)
            over_jobs = [requests.pop(job_id) for job_id in requests.keys() & set(done)]
            done_ticks = [job.tick for job in over_jobs if isinstance(job, JobPayload) and job.tick]
            jobs = [request for request in requests.values() if isinstance(request, JobPayload)]
            restarts = [job for job in jobs if job.restart and job.failed is None]
            jobs = [job for job in jobs if job not in restarts]
            if finished is not None:
                LAST_SUCCESS.labels(source).set(finished.timestamp())
            self._engine.allow(source)
            for pause in (request for request in requests.values() if isinstance(request, Pause)):
                self._obey(pause)
            done_tick = max(done_ticks, default=None)
            self._scheduler.add(source, self._ticks[source], completed, jobs, done_tick, finished)
            for job in over_jobs:
                self._jobs.drop(job)
            for restart in restarts:
                self._scheduler.restart(restart)
        _log.info(
            "source_scheduled",
            source=source,
            schedule=self._ticks[source].schedule.describe(),
            last_completed=completed,
            jobs=len(jobs),
        )
