"""A generator in a thread of its own, read as slices bounded by count and by age.

The thread keeps a slow page fetch from delaying records that have already come, and lets extraction overlap
with encoding. At most one slice waits to be taken: then the generator stands still. What the items are, and
what becomes of them, is the engine's.
"""

import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar

import structlog

from producer.errors import source_error

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Slices(Generic[T]):
    """Take a source's items slice by slice; a context manager, used by one thread.

    `open_items` is called in the generator's thread and returns its iterable. A slice has at most `max_items`
    items and is handed out as soon as it has them, or when its first item is `max_seconds` old, or when the
    items end.
    """

    def __init__(
        self,
        source: str,
        open_items: Callable[[], Iterable[T]],
        *,
        max_items: int,
        max_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._open_items = open_items
        self._max_items = max_items
        self._max_seconds = max_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._buffer: list[T] = []
        self._first_at = 0.0
        self._wanted_at: float | None = None
        self._ended = False
        self._stopped = False
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
            return not self._buffer and (self._stopped or (self._ended and self._error is None))

    @property
    def stopped(self) -> bool:
        """True once somebody asked the generator to end before its time."""
        return self._stopped

    def silent_for(self) -> float | None:
        """Seconds for which a slice has been wanted and none has come; None while none is wanted."""
        wanted_at = self._wanted_at
        return None if wanted_at is None else self._clock() - wanted_at

    def take(self, timeout: float) -> list[T] | None:
        """The next slice, or None if none was complete within `timeout` seconds or `finished` has become
        true.

        Whatever ended the generator early (also SystemExit) is raised as SourceError, after all items before
        it.
        """
        started = self._clock()
        deadline = started + timeout
        with self._lock:
            if self._wanted_at is None:
                self._wanted_at = started
            while not self._complete():
                if self._ended or self._stopped:
                    self._raise_what_ended_it()
                    return None
                now = self._clock()
                due = min(deadline, self._first_at + self._max_seconds) if self._buffer else deadline
                if now >= deadline:
                    return None
                self._filled.wait(due - now)
            part, self._buffer = self._buffer, []
            self._wanted_at = None
            self._room.notify()
            return part

    def stop(self) -> None:
        """Ask the generator to end at its next item; items already buffered can still be taken. Does not
        wait.
        """
        with self._lock:
            self._stopped = True
            self._room.notify()
            self._filled.notify()

    def join(self, timeout: float) -> bool:
        """Wait for the generator's thread to end; False if it is still inside the connector after `timeout`
        seconds.

        The thread is a daemon: a generator that never comes back does not keep the process alive.
        """
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _complete(self) -> bool:
        if not self._buffer:
            return False
        if len(self._buffer) >= self._max_items or self._ended or self._stopped:
            return True
        return self._clock() - self._first_at >= self._max_seconds

    def _raise_what_ended_it(self) -> None:
        error, self._error = self._error, None
        if error is not None and not self._stopped:
            raise source_error(self._source, "extract", error) from error

    def _pump(self) -> None:
        error: BaseException | None = None
        try:
            self._run(_iterator(self._open_items()))
        except BaseException as exc:
            error = exc
        finally:
            with self._lock:
                self._error = error
                self._ended = True
                self._filled.notify()
            if error is not None and self._stopped:
                _log.warning("source_raised_while_stopping", source=self._source, error=repr(error))

    def _run(self, items: Iterator[T]) -> None:
        lock, clock = self._lock, self._clock
        for item in items:
            with lock:
                while len(self._buffer) >= self._max_items and not self._stopped:
                    self._room.wait()
                if self._stopped:
                    break
                self._buffer.append(item)
                size = len(self._buffer)
                if size == 1:
                    self._first_at = clock()
                    self._filled.notify()
                elif size == self._max_items:
                    self._filled.notify()
        # A generator can only be closed by the thread that runs it.
        close = getattr(items, "close", None)
        if close is not None:
            close()


def _iterator(items: Any) -> Iterator[Any]:
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Iterable):
        raise TypeError(f"extract must yield its items one by one, it returned {type(items).__name__}")
    return iter(items)
