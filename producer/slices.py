"""A generator in a thread of its own, read as prepared slices bounded by count and by age.

The thread keeps a slow page fetch from delaying records that have already come, and lets extraction overlap
with publishing. It prepares each full slice itself, while the items are still in the processor's cache; at
most `ahead` bytes of them wait to be taken: then the generator stands still. What the items are, what
preparing means, and what becomes of a slice, is the engine's.
"""

import contextvars
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, Self, TypeVar

import structlog

from connectors.resilience import sleeping_with
from producer.errors import RunStoppedError, source_error

T = TypeVar("T")
P = TypeVar("P")
# Little: what is taken should still be in the processor's cache, and the two threads take turns cheaply.
AHEAD = 1 << 20
# While a checkpoint is committed, extraction goes on.
AHEAD_MEANWHILE = 8 << 20
_log = structlog.get_logger(__name__)


class Slices(Generic[T, P]):
    """Take a source's items slice by slice; a context manager, used by one thread.

    `open_items` is called in the generator's thread and returns its iterable. A slice has at most `max_items`
    items; it is handed out, as what `prepare` makes of it, as soon as it has them, or when its first item is
    `max_seconds` old, or when the items end. `prepare` is called by both threads, for one slice at a time and
    in order; what it raises ends the items before its slice.
    """

    def __init__(
        self,
        source: str,
        open_items: Callable[[], Iterable[T]],
        prepare: Callable[[list[T]], P],
        *,
        max_items: int,
        max_seconds: float,
        weigh: Callable[[P], int],
        ahead: int = AHEAD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._open_items = open_items
        self._prepare = prepare
        self._max_items = max_items
        self._max_seconds = max_seconds
        self._weigh = weigh
        self._ahead = ahead
        self._clock = clock
        self._lock, self._prepare_alone = threading.Lock(), threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._ready: deque[P] = deque()
        self._waiting_bytes = 0
        # True while the generator's thread prepares a slice, which is then neither here nor there.
        self._preparing = False
        # Only the generator's thread appends, without the lock: half a microsecond an item is saved that way,
        # and only it replaces the buffer. The taker copies from it.
        self._buffer: list[T] = []
        self._taken = 0
        self._oldest_at = clock()
        # Asks the generator's thread to come here at its next item; read by it without the lock.
        self._attention = False
        self._wanted_at: float | None = None
        self._ended = False
        self._stopped = False
        self._ending = threading.Event()
        self._error: BaseException | None = None
        # The context is copied so that the connector's own log lines carry source and run.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._pump,), name=f"extract-{source}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self.stop()

    @property
    def finished(self) -> bool:
        """True when no further slice will come and no error is left to be raised."""
        with self._lock:
            return (self._stopped or (self._ended and self._error is None)) and self._empty()

    @property
    def stopped(self) -> bool:
        """True once somebody asked the generator to end before its time."""
        return self._stopped

    def silent_for(self) -> float | None:
        """Seconds for which a slice has been wanted and none has come; None while none is wanted."""
        wanted_at = self._wanted_at
        return None if wanted_at is None else self._clock() - wanted_at

    def take(self, timeout: float, *, here: bool = True) -> P | None:
        """The next slice, or None if none was complete within `timeout` seconds or `finished` has become
        true. Without `here` also None for one that the caller's thread would have to prepare.

        Whatever ended the generator early (also SystemExit) is raised as SourceError, after all items before
        it.
        """
        now = self._clock()
        deadline = now + timeout
        with self._lock:
            if self._wanted_at is None:
                self._wanted_at = now
            while not self._ready and (due_at := self._due_at()) > now:
                if now >= deadline or (self._over() and self._empty()):
                    self._raise_what_ended_it()
                    return None
                self._filled.wait(min(due_at, deadline) - now)
                now = self._clock()
            if self._ready:
                self._wanted_at = None
                self._room.notify()
                ready = self._ready.popleft()
                self._waiting_bytes -= self._weigh(ready)
                return ready
            if not here:
                return None
            part = self._buffer[self._taken :]
            self._taken += len(part)
            self._oldest_at = now
        prepared = self._prepared_here(part)
        self._wanted_at = None
        return prepared

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """The taker does something else, in which the generator may go further ahead."""
        with self._lock:
            usual, self._ahead = self._ahead, max(self._ahead, AHEAD_MEANWHILE)
            self._room.notify()
        try:
            yield
        finally:
            with self._lock:
                self._ahead = usual

    def stop(self) -> None:
        """Ask the generator to end at its next item; items already buffered can still be taken. Does not
        wait.
        """
        with self._lock:
            self._stopped = self._attention = True
            self._ending.set()
            self._room.notify()
            self._filled.notify()

    def join(self, timeout: float) -> bool:
        """Wait for the generator's thread to end; False if it is still inside the connector after `timeout`
        seconds.

        The thread is a daemon: a generator that never comes back does not keep the process alive.
        """
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _prepared(self, part: list[T]) -> P:
        # Validators are an author's code and need not be made for two threads at once.
        with self._prepare_alone:
            return self._prepare(part)

    def _prepared_here(self, part: list[T]) -> P:
        try:
            return self._prepared(part)
        except BaseException as exc:
            raise source_error(self._source, "extract", exc) from exc

    def _over(self) -> bool:
        return self._ended or self._stopped

    def _empty(self) -> bool:
        return not self._ready and not self._preparing and self._taken == len(self._buffer)

    def _due_at(self) -> float:
        """When what is buffered may be taken, in the clock's seconds; for ever if nothing is."""
        # Set before the look at the buffer: an item that comes in between sees it, and none is overlooked.
        self._attention = True
        if self._preparing or len(self._buffer) == self._taken:
            return math.inf
        self._attention = self._stopped
        return -math.inf if self._over() else self._oldest_at + self._max_seconds

    def _raise_what_ended_it(self) -> None:
        if self._ended and self._empty():
            error, self._error = self._error, None
            if error is not None and not self._stopped:
                raise source_error(self._source, "extract", error) from error

    def _pump(self) -> None:
        error: BaseException | None = None
        try:
            with sleeping_with(self._sleep):
                if not self._stopped:
                    self._run(iter(self._open_items()))
        except BaseException as exc:
            error = exc
        finally:
            with self._lock:
                self._error = error
                self._ended, self._preparing = True, False
                self._filled.notify()
            if error is not None and self._stopped and not isinstance(error, RunStoppedError):
                _log.warning("source_raised_while_stopping", source=self._source, error=repr(error))

    def _sleep(self, seconds: float) -> None:
        """How the connector's retries wait: at most until the run has to end."""
        if self._ending.wait(seconds):
            raise RunStoppedError(f"{self._source}: stopped while waiting to try a request again")

    def _run(self, items: Iterator[T]) -> None:
        buffer, most = self._buffer, self._max_items
        for item in items:
            buffer.append(item)
            if len(buffer) >= most:
                buffer = self._hand_over()
            elif self._attention:
                self._wake_taker()
            else:
                continue
            if self._stopped:
                break
        # A generator can only be closed by the thread that runs it.
        close = getattr(items, "close", None)
        if close is not None:
            close()

    def _wake_taker(self) -> None:
        with self._lock:
            if len(self._buffer) - self._taken == 1:
                self._oldest_at = self._clock()
            self._attention = self._stopped
            self._filled.notify()

    def _hand_over(self) -> list[T]:
        """Prepare what is left of a full buffer, and wait while enough is ready; returns the next buffer."""
        with self._lock:
            part = self._buffer[self._taken :]
            self._buffer, self._taken = [], 0
            self._oldest_at = self._clock()
            self._preparing = bool(part)
        prepared = [self._prepared(part)] if part else []
        with self._lock:
            self._ready += prepared
            self._waiting_bytes += sum(map(self._weigh, prepared))
            self._preparing = False
            self._filled.notify()
            while self._waiting_bytes >= self._ahead and not self._stopped:
                self._room.wait()
            return self._buffer
