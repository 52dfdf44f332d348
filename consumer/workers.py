"""Threads that load batches while the main thread consumes: fair between topics, patient with what is away.

A batch that must be tried again stays first in its topic's lane and keeps nobody else waiting. What a batch
needs is in `loading`.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import structlog

from consumer import metrics
from consumer.batches import Batch
from consumer.errors import RetryError, TopicStoppedError

THREADS = 2
FIRST_WAIT = 0.2
LONGEST_WAIT = 10.0
STOPPED_WAIT = 30.0
_SAY_AGAIN = 60.0
_log = structlog.get_logger(__name__)


@dataclass
class Lane:
    """The batches of one topic, oldest first."""

    topic: str
    batches: deque[Batch] = field(default_factory=deque)
    busy: int = 0
    held: int = 0
    failures: int = 0
    not_before: float = 0.0
    waiting_for: str = ""
    said_at: float = 0.0


class Workers:
    """A context manager; `load` is called in its threads and raises RetryError or TopicStoppedError."""

    def __init__(
        self,
        load: Callable[[Batch], None],
        *,
        threads: int = THREADS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._clock = clock
        self._changed = threading.Condition()
        self._lanes: dict[str, Lane] = {}
        self._turns: deque[Lane] = deque()
        self._finished: list[Batch] = []
        self._ended = False
        self._threads = [
            threading.Thread(target=self._run, name=f"load-{number}", daemon=True)
            for number in range(threads)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is still being inserted is not waited for: it is written again by whoever is next.
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def submit(self, batch: Batch) -> None:
        """Have the batch loaded; it comes back by `finished`."""
        with self._changed:
            lane = self._lanes.get(batch.topic)
            if lane is None:
                lane = self._lanes[batch.topic] = Lane(batch.topic)
                self._turns.append(lane)
            lane.batches.append(batch)
            lane.held += batch.memory
            self._changed.notify()

    def finished(self, timeout: float = 0.0) -> list[Batch]:
        """Take away what is done (loaded or abandoned); waits up to `timeout` seconds for the first."""
        with self._changed:
            if timeout > 0 and not self._finished:
                self._changed.wait_for(lambda: bool(self._finished), timeout)
            finished, self._finished = self._finished, []
            return finished

    def held_memory(self, topic: str) -> int:
        """Memory of the topic's batches that are not loaded yet, in bytes."""
        with self._changed:
            lane = self._lanes.get(topic)
            return lane.held if lane else 0

    def stuck(self, topic: str) -> bool:
        """True while the topic's batches cannot be loaded, whatever the reason."""
        with self._changed:
            lane = self._lanes.get(topic)
            return lane is not None and bool(lane.waiting_for)

    def waiting(self) -> dict[str, str]:
        """What each topic that does not get on is waiting for."""
        with self._changed:
            return {lane.topic: lane.waiting_for for lane in self._lanes.values() if lane.waiting_for}

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            lane, batch = taken
            try:
                if not batch.abandoned:
                    self._load(batch)
            except RetryError as exc:
                self._put_back(lane, batch, str(exc), self._wait_after(lane))
            except TopicStoppedError as exc:
                self._put_back(lane, batch, str(exc), STOPPED_WAIT)
            except Exception as exc:
                _log.exception("batch_failed", topic=lane.topic)
                self._put_back(lane, batch, f"{type(exc).__name__}: {exc}", STOPPED_WAIT)
            else:
                self._done(lane, batch)

    def _take(self) -> tuple[Lane, Batch] | None:
        with self._changed:
            while not self._ended:
                now = self._clock()
                for _ in range(len(self._turns)):
                    lane = self._turns[0]
                    self._turns.rotate(-1)
                    # After a failure one batch finds out whether things are well again.
                    if lane.batches and lane.not_before <= now and not (lane.failures and lane.busy):
                        lane.busy += 1
                        return lane, lane.batches.popleft()
                waits = [lane.not_before - now for lane in self._turns if lane.batches and not lane.busy]
                self._changed.wait(max(0.01, min(waits, default=60.0)))
        return None

    def _done(self, lane: Lane, batch: Batch) -> None:
        batch.forget_rows()
        with self._changed:
            lane.busy -= 1
            lane.held -= batch.memory
            lane.failures = 0
            lane.not_before = 0.0
            if lane.waiting_for:
                _log.info("waiting_over", topic=lane.topic, waited_for=lane.waiting_for)
                lane.waiting_for = ""
                lane.said_at = 0.0
                metrics.WAITING.labels(lane.topic).set(0)
            self._finished.append(batch)
            self._changed.notify_all()

    def _put_back(self, lane: Lane, batch: Batch, why: str, seconds: float) -> None:
        metrics.RETRIES.labels(lane.topic).inc()
        with self._changed:
            lane.busy -= 1
            lane.failures += 1
            now = self._clock()
            lane.not_before = now + seconds
            lane.batches.appendleft(batch)
            if not lane.said_at or now - lane.said_at >= _SAY_AGAIN:
                _log.warning("waiting", topic=lane.topic, waiting_for=why, again_in=round(seconds, 1))
                lane.said_at = now
            lane.waiting_for = why
            metrics.WAITING.labels(lane.topic).set(1)
            self._changed.notify_all()

    def _wait_after(self, lane: Lane) -> float:
        # No jitter: a lane has one prober, and loaders do not start in step.
        wait: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(lane.failures, 10))
        return wait
