"""Refusals as a busy API makes them, at fixed counts, so that a run can be repeated and a test can count."""

import threading
from dataclasses import dataclass

LIMIT_EVERY = 7
OUTAGE_EVERY = 11
RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True)
class Refusal:
    """An answer instead of data: HTTP status, Open-Meteo's reason, and Retry-After in seconds or None."""

    status: int
    reason: str
    retry_after: int | None


LIMIT = Refusal(
    429, "Minutely API request limit exceeded. Please try again in one minute.", RETRY_AFTER_SECONDS
)
OUTAGE = Refusal(503, "The service is overloaded. Please try again.", None)


class Faults:
    """Counts requests and refuses every 7th with 429 and every 11th with 503 (a 77th is a 429).

    `seed` is the count to begin with; `enabled=False` counts and refuses nothing.
    """

    def __init__(self, *, enabled: bool = True, seed: int = 0) -> None:
        self._enabled = enabled
        self._count = seed
        self._seed = seed
        self._refused = {LIMIT.status: 0, OUTAGE.status: 0}
        self._lock = threading.Lock()

    def next(self) -> Refusal | None:
        """Count one request; return how it is refused, None when it is to be answered."""
        with self._lock:
            self._count += 1
            refusal = self._refusal() if self._enabled else None
            if refusal:
                self._refused[refusal.status] += 1
            return refusal

    def counts(self) -> dict[str, int]:
        """Return requests so far and refusals by status: {"requests": n, "429": n, "503": n}."""
        with self._lock:
            refused = {str(status): count for status, count in self._refused.items()}
            return {"requests": self._count - self._seed, **refused}

    def _refusal(self) -> Refusal | None:
        if self._count % LIMIT_EVERY == 0:
            return LIMIT
        return OUTAGE if self._count % OUTAGE_EVERY == 0 else None
