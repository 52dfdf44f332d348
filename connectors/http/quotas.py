"""What the headers of an answer say about quotas: how many requests are left, and until when.

A pure reading of Retry-After, X-RateLimit-*, RateLimit-* (IETF drafts up to 06) and RateLimit with
RateLimit-Policy (draft 07 and later). Garbage is ignored: a header nobody can read limits nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from connectors.responses import retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

# A quota is believed for a day at most: a senseless reset costs one request a day, and no year of waiting.
LONGEST = 86_400.0
RETRY_AFTER = "Retry-After"
_FAMILIES = (("X-RateLimit", "x-ratelimit-"), ("X-Rate-Limit", "x-rate-limit-"), ("RateLimit", "ratelimit-"))
_NUMBER = re.compile(r"\d{1,16}(\.\d{1,9})?")
# Below the first: seconds to go. Below the second: Unix seconds (of 2001 and later). Below the third: Unix
# milliseconds.
_EPOCH_SECONDS, _EPOCH_MILLISECONDS, _NONSENSE = 1e9, 1e11, 1e14
_TEXT = r'"(?:[^"\\]|\\.)*"'
_PARAMETER = rf"\s*;\s*([a-z*][a-z0-9_.*-]*)\s*=\s*({_TEXT}|:[^:]*:|[^\s;,\"]+)"
_ITEM = re.compile(rf"\s*({_TEXT}|[^\s;,=\"]+)((?:{_PARAMETER})*)\s*(?:,|$)", re.IGNORECASE)
_LONGEST_TEXT, _LONGEST_NAME = 1000, 64


@dataclass(frozen=True)
class Quota:
    """One quota of an API: `remaining` more requests, until it is filled up again in `reset` seconds.

    None is what the answer does not tell. `window` is the length of its window in seconds.
    """

    name: str
    remaining: int | None = None
    reset: float | None = None
    limit: int | None = None
    window: float | None = None

    @property
    def exhausted(self) -> bool:
        """Whether no further request fits before the reset."""
        return self.remaining == 0 and self.reset is not None and self.reset > 0


def quotas_of(headers: Mapping[str, str], status: int, now: datetime) -> tuple[Quota, ...]:
    """The quotas that an answer reports; `headers` has lower-case names or ignores case, as httpx.Headers.

    Instants are compared with the answer's own Date, so that a wrong clock of ours does not matter; `now`
    stands in where it has none. An error status with Retry-After is an exhausted quota of that name.
    """
    now = _instant(headers.get("date", "")) or now
    found = [*_by_families(headers, now), *_by_structured_fields(headers)]
    if status == 429:
        # It says no and does not say how many are left.
        found = [replace(quota, remaining=0) if quota.remaining is None else quota for quota in found]
    if status >= 400:
        wait = retry_after_seconds(headers.get("retry-after", ""), now)
        if wait:
            found.append(Quota(RETRY_AFTER, remaining=0, reset=min(wait, LONGEST)))
    return tuple(found)


def _by_families(headers: Mapping[str, str], now: datetime) -> list[Quota]:
    """X-RateLimit-Limit, -Remaining, -Reset and their kin; RateLimit-Policy may say the window."""
    found = []
    for family, prefix in _FAMILIES:
        limit, window = _limit(headers.get(f"{prefix}limit", ""))
        remaining = _count(headers.get(f"{prefix}remaining", ""))
        reset = _reset(headers.get(f"{prefix}reset-after") or headers.get(f"{prefix}reset", ""), now)
        if remaining is None and reset is None:
            continue
        name = headers.get(f"{prefix}resource") or headers.get(f"{prefix}bucket") or family
        if prefix == "ratelimit-" and window is None:
            window = _policy_window(headers, limit)
        if remaining == 0 and reset is None:
            reset = window
        found.append(Quota(_name(name), remaining, reset, limit, window))
    return found


def _by_structured_fields(headers: Mapping[str, str]) -> list[Quota]:
    """`RateLimit: "name";r=50;t=30` with `RateLimit-Policy: "name";q=100;w=60`."""
    text = headers.get("ratelimit", "")
    if "remaining" in text:  # draft 07: limit=100, remaining=50, reset=5
        said = {key: _count(value) for key, value in re.findall(r"(\w+)\s*=\s*(\d+)", text[:_LONGEST_TEXT])}
        reset = _seconds(said.get("reset"))
        return [Quota("RateLimit", said.get("remaining"), reset, said.get("limit"))]
    policies = dict(_items(headers.get("ratelimit-policy", "")))
    found = []
    for name, parameters in _items(text):
        policy = policies.get(name, {})
        if policy.get("qu", "requests") != "requests":
            continue  # a quota of bytes, or of requests at the same time
        window = _seconds(_count(policy.get("w", "")))
        remaining = _count(parameters.get("r", ""))
        reset = _seconds(_count(parameters.get("t", "")))
        if remaining == 0 and reset is None:
            reset = window
        if remaining is not None:
            found.append(Quota(_name(name), remaining, reset, _count(policy.get("q", "")), window))
    return found


def _limit(text: str) -> tuple[int | None, float | None]:
    """`100`, or draft 03's `100, 100;w=60`: the limit, and the window if it stands there."""
    items = _items(text)
    if not items:
        return None, None
    first = _count(items[0][0])
    windows = [_seconds(_count(parameters["w"])) for value, parameters in items if "w" in parameters]
    return first, next((window for window in windows if window is not None), None)


def _policy_window(headers: Mapping[str, str], limit: int | None) -> float | None:
    """`RateLimit-Policy: 10;w=1, 50;w=60`: the window of the policy that has this limit, else the longest."""
    policies = [
        (_count(value), _seconds(_count(parameters.get("w", ""))))
        for value, parameters in _items(headers.get("ratelimit-policy", ""))
    ]
    fitting = (window for count, window in policies if window is not None and limit in (None, count))
    return max(fitting, default=None)


def _items(text: str) -> list[tuple[str, dict[str, str]]]:
    """A structured list of items with parameters, as texts; [] if it is none."""
    found, place, text = [], 0, text[:_LONGEST_TEXT].strip()
    while place < len(text):
        match = _ITEM.match(text, place)
        if match is None:
            return []
        parameters = re.findall(_PARAMETER, match[2], re.IGNORECASE)
        found.append((_bare(match[1]), {key.lower(): _bare(value) for key, value in parameters}))
        place = match.end()
    return found


def _bare(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _name(text: str) -> str:
    return "".join(letter for letter in text[:_LONGEST_NAME] if letter.isprintable()) or "unnamed"


def _count(text: str) -> int | None:
    text = text.strip()
    return int(float(text)) if text.isascii() and _NUMBER.fullmatch(text) else None


def _seconds(count: int | None) -> float | None:
    return None if count is None else min(float(count), LONGEST)


def _reset(text: str, now: datetime) -> float | None:
    """Seconds to the reset, from seconds to go, Unix seconds, Unix milliseconds, an HTTP or an ISO date."""
    text = text.strip()
    if text.isascii() and _NUMBER.fullmatch(text):
        number = float(text)
        if number < _EPOCH_SECONDS:
            return min(number, LONGEST)
        if number >= _NONSENSE:
            return None
        at = number / 1000 if number >= _EPOCH_MILLISECONDS else number
    else:
        instant = _instant(text)
        if instant is None:
            return None
        at = instant.timestamp()
    left = at - now.timestamp()
    # Both instants are told in whole seconds, so the reset may be almost a second later than they say.
    return 0.0 if left <= 0 else min(left + 1, LONGEST)


def _instant(text: str) -> datetime | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            instant = read(text.strip())
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        return instant.replace(tzinfo=instant.tzinfo or UTC)
    return None
