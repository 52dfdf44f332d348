"""Rate limits as an author writes them: "10/second", "600/minute".

`rate_limit` counts runs, `request_limit` the requests of `http_client`. This room only reads the text; the
producer's RateLimiter keeps the counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.errors import RateLimitError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_TEXT = re.compile(r"\s*(\d{1,9})\s*/\s*(\w+)\s*")


@dataclass(frozen=True)
class RateLimit:
    """At most `count` runs, or requests, in any window of `seconds`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = next(unit for unit, seconds in _SECONDS.items() if seconds == self.seconds)
        return f"{self.count}/{unit}"


def parse_rate_limits(limits: str | Iterable[str]) -> tuple[RateLimit, ...]:
    """Read one limit or several that hold at once; () means unlimited. RateLimitError names the text."""
    return tuple(_parse(limit) for limit in ([limits] if isinstance(limits, str) else limits))


def _parse(text: str) -> RateLimit:
    match = _TEXT.fullmatch(text) if isinstance(text, str) else None
    seconds = match and _SECONDS.get(match[2].removesuffix("s"))
    if match is None or seconds is None or int(match[1]) == 0:
        raise RateLimitError(
            f"rate limit {text!r} cannot be read: write a count above 0 per second, minute, hour or day, "
            f'such as "10/second" or "600/minute"'
        )
    return RateLimit(int(match[1]), seconds)
