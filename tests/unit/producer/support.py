"""A clock that stands still until told, a wait for what other threads do, slices of numbers."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from producer.slices import Slices

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


def slices_of(
    open_items: Callable[[], Iterable[Any]],
    *,
    prepare: Callable[[list[Any]], list[Any]] = list,
    max_items: int = 10,
    max_seconds: float = 3600.0,
    weigh: Callable[[list[Any]], int] = lambda part: 1,
    ahead: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Slices[Any, list[Any]]:
    return Slices(
        "source",
        open_items,
        prepare,
        max_items=max_items,
        max_seconds=max_seconds,
        weigh=weigh,
        ahead=ahead,
        clock=clock,
    )


def everything(slices: Slices[Any, list[Any]]) -> list[list[Any]]:
    parts = []
    while not slices.finished:
        part = slices.take(10.0)
        if part is not None:
            parts.append(part)
    return parts


def take_all(slices: Slices[Any, list[Any]], taken: list[Any]) -> None:
    """Like `everything`, for what ends with an error: `taken` has the items that came before it."""
    while not slices.finished:
        taken += slices.take(10.0) or []
