"""A lease on a source: valid while the last proof that this process owns it is young enough.

A process that was suspended (SIGSTOP, a sleeping laptop, a paused virtual machine) finds its lease lapsed
when it goes on, before its first request. What proves ownership, and when, is the fleet's.
"""

import threading
import time
from collections.abc import Callable, Sequence

from connectors.errors import LeaseLostError
from producer.clocks import boottime

# The first sees SIGSTOP and a sleeping machine. A paused virtual machine stops it too: then only the wall
# clock, set right afterwards, has leapt.
CLOCKS: tuple[Callable[[], float], ...] = (boottime, time.time)


class TimedLease:
    """Implements `connectors.http.Lease`. Safe to use from several threads.

    Not held until `grant`; only another `grant` prolongs it or brings it back. An answer to a poll is no
    reason for one: after a suspension it may come before the client has noticed that it lost its place.
    """

    def __init__(self, what: str, seconds: float, *, clocks: Sequence[Callable[[], float]] = CLOCKS) -> None:
        """`what` is named in errors. `seconds` must be below the group's session timeout by more than the
        time between two proofs, so that the lease has lapsed before anybody else can own the source.
        """
        self._what = what
        self._seconds = seconds
        self._clocks = tuple(clocks)
        self._lock = threading.Lock()
        self._proven_at: tuple[float, ...] | None = None
        self._why = "it was never granted"

    @property
    def valid(self) -> bool:
        """Whether the last proof is young enough."""
        with self._lock:
            return self._lapsed(self._now()) is None

    def moment(self) -> tuple[float, ...]:
        """The present, to be taken before a proof is asked for and given to `grant` with its answer."""
        return self._now()

    def grant(self, asked_at: tuple[float, ...] | None = None) -> None:
        """Ownership was proven: the broker accepted a commit.

        The proof is as old as its question: an answer may be read after a suspension. None: it is of now.
        """
        proven_at = asked_at or self._now()
        with self._lock:
            self._proven_at = proven_at

    def revoke(self, why: str) -> None:
        """The source belongs to somebody else from now on."""
        with self._lock:
            self._proven_at, self._why = None, why

    def check(self) -> None:
        """Return if the source is owned now, else raise LeaseLostError."""
        with self._lock:
            why = self._lapsed(self._now())
        if why is not None:
            raise LeaseLostError(f"{self._what}: this process may no longer own it: {why}")

    def _lapsed(self, now: tuple[float, ...]) -> str | None:
        if self._proven_at is None:
            return self._why
        age = max(then - before for before, then in zip(self._proven_at, now, strict=True))
        if age < self._seconds:
            return None
        # Sticky: a wall clock that is set back again does not bring the lease back.
        self._proven_at = None
        self._why = f"the last proof was {age:.1f} s old, {self._seconds:g} s are allowed"
        return self._why

    def _now(self) -> tuple[float, ...]:
        return tuple(clock() for clock in self._clocks)
