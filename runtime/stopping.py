"""How a daemon is asked to stop, and how long it may take.

What is drained meanwhile belongs to the daemons.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """Turns SIGTERM and SIGINT into an event; the second signal ends the process at once with 130 or 143.

    A context manager: the handlers found at the start are restored at the end. Outside the main thread Python
    cannot take signals; there only `stop()` sets the event.
    """

    def __init__(self, *, exit_now: Callable[[int], Any] = os._exit) -> None:
        self.event = threading.Event()
        self.reason: str | None = None
        self._exit_now = exit_now
        self._previous: Mapping[signal.Signals, Any] = {}
        self._previous_fd = -1
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._watcher: threading.Thread | None = None

    @property
    def requested(self) -> bool:
        """True from the first signal or `stop()` on."""
        return self.event.is_set()

    def stop(self, reason: str = "asked to stop") -> None:
        """Ask for the stop from within the process. The first reason stays."""
        if self.reason is None:
            self.reason = reason
        self.event.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the request, at most `seconds`; True when it has come."""
        return self.event.wait(seconds)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sockets is None:
            return
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(self._previous_fd)
        reader, writer = self._sockets
        writer.close()
        assert self._watcher is not None
        self._watcher.join()
        reader.close()
        self._sockets = None

    def _listen(self) -> None:
        # Setting an Event inside a handler can deadlock with a wait() that the signal interrupted, and a
        # handler does not run while the main thread is inside librdkafka. A wake-up socket and a thread
        # have neither flaw.
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        self._sockets = (reader, writer)
        self._watcher = threading.Thread(target=self._watch, args=(reader,), name="signals", daemon=True)
        self._watcher.start()
        self._previous_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._previous = {signum: signal.signal(signum, _ignore) for signum in _SIGNALS}

    def _watch(self, reader: socket.socket) -> None:
        with suppress(OSError):
            while received := reader.recv(64):
                for signum in received:
                    if signum in _SIGNALS:
                        self._on_signal(signal.Signals(signum))

    def _on_signal(self, signum: signal.Signals) -> None:
        if self.requested:
            self._exit_now(128 + signum)
        self.stop(signum.name)


def _ignore(signum: int, frame: FrameType | None) -> None:
    """The byte on the wake-up socket already said it; Python only needs a handler to be there."""


class Deadline:
    """A point in time that several steps share, so that together they keep within it.

    `clock` answers seconds and only has to move forward.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._end - self._clock())

    @property
    def expired(self) -> bool:
        """True when nothing is left."""
        return self.remaining() <= 0
