"""Which sources this process may run: those it was given, while its place in the group is proven (P9).

Who gives them is the fleet's; a single run (`ingest run`) asks nobody.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from connectors.errors import LeaseLostError
from connectors.http import Lease
from producer.lease import TimedLease
from producer.waiting import Waiting

_STEP = 0.1


class Ownership(Protocol):
    """What the engine asks about a source."""

    def lease(self, source: str) -> Lease | None:
        """What each request of the source asks; None where everything is allowed."""
        ...

    def owned(self, source: str, waiting: Waiting | None = None) -> bool:
        """Whether the source may be run and published now; tells `waiting` while nobody knows."""
        ...


class Unshared:
    """The ownership of a process that is in no group: everything is its own."""

    def lease(self, source: str) -> Lease | None:
        """None: requests ask nobody."""
        return None

    def owned(self, source: str, waiting: Waiting | None = None) -> bool:
        """True."""
        return True


class GroupOwnership:
    """The ownership of a member of the producers' group. Safe to use from several threads.

    `membership` is proven by the broker, for all sources at once; which ones are given is said by `gain` and
    `lose`. While a given source has no valid proof (broker away, process suspended) nobody knows whose it is.
    """

    def __init__(
        self,
        membership: TimedLease,
        abandon: threading.Event,
        *,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Once `abandon` is set, nothing is waited for any more."""
        self.membership = membership
        self._abandon = abandon
        self._sleep = sleep
        self._lock = threading.Lock()
        self._given: set[str] = set()

    def gain(self, source: str) -> None:
        """The source was given to this process."""
        with self._lock:
            self._given.add(source)

    def lose(self, source: str) -> None:
        """It belongs to somebody else from now on."""
        with self._lock:
            self._given.discard(source)

    def given(self, source: str) -> bool:
        """Whether it was given and not taken back, as far as this process knows."""
        with self._lock:
            return source in self._given

    def lease(self, source: str) -> Lease | None:
        """Valid while the source is given and the membership proven."""
        return _SourceLease(self, source)

    def owned(self, source: str, waiting: Waiting | None = None) -> bool:
        """False once the source was taken back; waits for a proof while there is none."""
        while self.given(source):
            if self.membership.valid:
                return True
            if self._abandon.is_set():
                return False
            if waiting is not None:
                waiting.still(state="the place in the producers' group is not proven")
            self._sleep(_STEP)
        return False


class _SourceLease:
    """Implements `connectors.http.Lease` for one source."""

    def __init__(self, ownership: GroupOwnership, source: str) -> None:
        self._ownership = ownership
        self._source = source

    def check(self) -> None:
        """Return if the source is owned now, else raise LeaseLostError."""
        if not self._ownership.given(self._source):
            raise LeaseLostError(f"{self._source}: it belongs to another producer now")
        self._ownership.membership.check()
