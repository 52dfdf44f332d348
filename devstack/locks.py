"""Locks between processes: one live stack per folder, one download of the broker at a time.

The kernel drops such a lock when its holder ends in any way, so there is no stale lock to clean up; the
pid in the file is for people.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

POLL_SECONDS = 0.1


class FileLock:
    """An exclusive lock on `path` (created when missing), held between acquire() and release().

    `acquire` tries for `seconds` and returns whether it has the lock. `holder` is the pid written by who
    has it, None when unknown.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self._clock = clock
        self._sleep = sleep
        self._descriptor: int | None = None

    def acquire(self, seconds: float = 0.0) -> bool:
        """Try for `seconds` to get the lock; True when this process now holds it."""
        deadline = self._clock() + seconds
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        while not _locked(descriptor):
            if self._clock() >= deadline:
                os.close(descriptor)
                return False
            self._sleep(POLL_SECONDS)
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; does nothing without it. The file stays: removing it would race."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def holder(self) -> int | None:
        """Pid of who holds or held the lock last."""
        try:
            return int(self.path.read_text())
        except (OSError, ValueError):
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
