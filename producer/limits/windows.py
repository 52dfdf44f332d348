"""A limit's sliding window, and several of them as one budget. Pure: no clock, no lock, no Kafka.

A use counts from the moment it is taken until a window after it has *ended* (was answered, or failed). It
reached the upstream at some moment between, so no window that the upstream counts holds more than the limit.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from connectors.rates import RateLimit

# Up to this many uses are kept one by one; of larger limits, neighbours share the time of the later one.
EXACT = 1000
_LARGEST_BLOCK = 100
# A crash costs at most this part of a limit.
_BLOCKS = 20
_MINUTE = 60
# A block is void so many seconds later: a later owner need not fear that it is still being used.
BLOCK_SECONDS = 5.0
# How finely a window is told in a record.
_TOLD = 64

Uses = list[tuple[float, int]]


@dataclass
class _Use:
    began: float
    at: float
    count: int


class Window:
    """The uses of one limit that still count, oldest first."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self._grain = limit.seconds / EXACT if limit.count > EXACT else 0.0
        self._uses: deque[_Use] = deque()
        self._count = 0

    def add(self, at: float, count: int = 1) -> None:
        """`count` uses ended at `at`; never earlier than those before."""
        last = self._uses[-1] if self._uses else None
        if last is not None and at - last.began <= self._grain:
            last.at = max(last.at, at)
            last.count += count
        else:
            self._uses.append(_Use(at, at if last is None else max(at, last.at), count))
        self._count += count

    def free_at(self, now: float, under_way: int) -> float:
        """When one more use fits, `now` or later."""
        self._expire(now)
        excess = self._count + under_way + 1 - self.limit.count
        if excess <= 0:
            return now
        for use in self._uses:
            excess -= use.count
            if excess <= 0:
                return use.at + self.limit.seconds
        # Those under way end now at the earliest.
        return now + self.limit.seconds

    def uses(self, now: float) -> Uses:
        """(seconds ago, count), oldest first, coarsely: none is told older than it is. To come: below 0."""
        self._expire(now)
        told: dict[float, tuple[float, int]] = {}
        for use in self._uses:
            part = use.at // (self.limit.seconds / _TOLD)
            told[part] = (now - use.at, told.get(part, (0.0, 0))[1] + use.count)
        return list(told.values())

    def _expire(self, now: float) -> None:
        while self._uses and self._uses[0].at + self.limit.seconds <= now:
            self._count -= self._uses.popleft().count


class Budget:
    """Several limits at once, and the block of tokens that has been reserved for them.

    Tokens of a block may be taken; those not taken count as used by whoever comes after a crash.
    """

    def __init__(self, limits: Sequence[RateLimit] = ()) -> None:
        self.limits = tuple(dict.fromkeys(limits))
        self.block = _block(self.limits)
        self.under_way = 0
        self._reserved = 0
        self._void_at = 0.0
        self._windows = [Window(limit) for limit in self.limits]

    def free_at(self, now: float) -> tuple[float, RateLimit | None]:
        """When one more use fits all windows, and the one that holds it up longest (None if `now`)."""
        at, found = now, None
        for window in self._windows:
            free = window.free_at(now, self.under_way)
            if free > at:
                at, found = free, window.limit
        return at, found

    def reserved(self, now: float) -> int:
        """Tokens of the block that may still be taken."""
        return self._reserved if now < self._void_at else 0

    def reserve(self, at: float) -> None:
        """A block was reserved by a record that was begun at `at`."""
        self._reserved, self._void_at = self.block, at + BLOCK_SECONDS

    def give_back(self) -> None:
        """Nothing is reserved any more."""
        self._reserved = 0

    def take(self) -> None:
        """One use begins."""
        self._reserved = max(self._reserved - 1, 0)
        self.under_way += 1

    def settle(self, now: float) -> None:
        """One use has ended."""
        self.under_way = max(self.under_way - 1, 0)
        for window in self._windows:
            window.add(now)

    def spent(self, now: float) -> Uses:
        """(seconds ago, count) of the ended uses that still count in any window."""
        longest = max(self._windows, key=lambda window: window.limit.seconds, default=None)
        return [] if longest is None else longest.uses(now)

    def restore(self, uses: Iterable[tuple[float, int]]) -> None:
        """Begin with uses (at, count) of former owners."""
        for at, count in sorted(uses):
            for window in self._windows:
                window.add(at, count)


def _block(limits: Sequence[RateLimit]) -> int:
    """Tokens reserved at once: few enough that a crash costs little, enough that writing them does too."""
    fewest = min((limit.count * max(1, _MINUTE // limit.seconds) for limit in limits), default=1)
    return max(1, min(fewest // _BLOCKS, _LARGEST_BLOCK))
