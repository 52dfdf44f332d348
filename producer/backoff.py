"""How long a job that has to be tried again waits."""

from collections.abc import Callable
from datetime import timedelta

from producer.errors import SourceError

# Seconds before the second attempt; doubled for each one after, up to the longest.
RETRY_SECONDS, RETRY_LONGEST = 5.0, 300.0
WAIT_SECONDS, WAIT_LONGEST = 1.0, 15.0
# An outside API may ask for an absurd wait; one request an hour hurts nobody.
RETRY_AFTER_LONGEST = 3600.0


def retry_wait(attempt: int, error: BaseException, jitter: Callable[[], float]) -> timedelta:
    """After the attempt of that number has failed; not before the outside API has asked for it."""
    asked = error.retry_after if isinstance(error, SourceError) else None
    least = timedelta(seconds=min(asked or 0.0, RETRY_AFTER_LONGEST))
    return max(_spread(RETRY_SECONDS, RETRY_LONGEST, attempt - 1, jitter), least)


def server_wait(waits: int, jitter: Callable[[], float]) -> timedelta:
    """For a server that was away `waits` times before."""
    return _spread(WAIT_SECONDS, WAIT_LONGEST, waits, jitter)


def _spread(first: float, longest: float, doublings: int, jitter: Callable[[], float]) -> timedelta:
    """Exponential, and up to a half longer: what failed together should not return together."""
    seconds = min(longest, first * 2.0 ** min(doublings, 30))
    return timedelta(seconds=seconds * (1 + jitter() / 2))
