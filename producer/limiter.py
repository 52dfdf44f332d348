"""How often a source may run: several windows at once, counted in this process.

Windows are pyrate-limiter's exact sliding logs, asked without its Limiter, which would keep a helper thread
and sleep. The limits' text is read by `connectors.rates`; waiting for the time named here is the scheduler's.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from pyrate_limiter import InMemoryBucket, Rate, RateItem

from connectors.rates import RateLimit, parse_rate_limits


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


class RateLimiter:
    """Proceed, or say when to try again. Safe to use from several threads.

    `limits` maps a source to its declared limits; a source without limits always proceeds. Windows are
    measured on the monotonic clock, so that a corrected wall clock opens none of them.
    """

    def __init__(
        self,
        limits: Mapping[str, str | Iterable[str]],
        *,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        parsed = {source: _needed(parse_rate_limits(texts)) for source, texts in limits.items()}
        self._buckets = {source: InMemoryBucket(rates) for source, rates in parsed.items() if rates}

    def check_limit(self, source: str) -> datetime | None:
        """None: proceed, and this run is counted. Otherwise the earliest time at which a run will fit; none
        counted.
        """
        bucket = self._buckets.get(source)
        if bucket is None:
            return None
        item = RateItem(source, int(self._monotonic() * 1000))
        with self._lock:
            bucket.leak(item.timestamp)
            if bucket.put(item):
                return None
            wait = bucket.waiting(item)
        assert isinstance(wait, int)
        return self._now() + timedelta(milliseconds=max(wait, 1))


def _needed(limits: tuple[RateLimit, ...]) -> list[Rate]:
    """The windows that say more than the others; pyrate-limiter refuses a list with redundant ones."""
    needed: list[RateLimit] = []
    for limit in sorted(limits, key=lambda one: (one.seconds, one.count)):
        if any(
            tighter.count <= limit.count and tighter.seconds >= limit.seconds
            for tighter in limits
            if tighter != limit
        ):
            continue
        if any(limit.count * shorter.seconds > shorter.count * limit.seconds for shorter in needed):
            continue
        needed.append(limit)
    return [Rate(limit.count, limit.seconds * 1000) for limit in dict.fromkeys(needed)]
