"""A clock that stands still until told, and a wait for what other threads do."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class SettableClock:
    """Wall time (`now`) and monotonic seconds (the call), moved by the test alone."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000.0)

    def forward(self, seconds: float) -> None:
        self.seconds += seconds


def eventually(true: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Return when `true()` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not true within {seconds} s"
        time.sleep(0.005)
