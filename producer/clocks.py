"""Seconds that only go forward, also while the machine sleeps, and the life of the machine they belong to."""

import time
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def boottime() -> float:
    """Seconds since the machine started; where the system does not tell, Python's monotonic clock."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


@cache
def boot_id() -> str | None:
    """Which start of the machine `boottime` counts from, alike for all its processes; None if unknown."""
    try:
        return _BOOT_ID.read_text("ascii").strip() or None if _CLOCK is not None else None
    except OSError:
        return None
