"""Quotas that an API tells in its headers, by host and name. Pure: no clock, no lock, no Kafka."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from connectors.http.quotas import LONGEST, RETRY_AFTER, Quota

# An API that names a quota anew in each answer must not fill the memory.
_MOST = 256


@dataclass
class _Learned:
    remaining: int
    reset_at: float


class LearnedQuotas:
    """What is left of each quota until its reset; forgotten then.

    Which of several quotas a request counts against is known when its answer names it, so each must have room
    for all that are under way to its host. An answer that names none may have counted against any.
    """

    def __init__(self) -> None:
        self._quotas: dict[tuple[str, str], _Learned] = {}
        self._under_way: Counter[str] = Counter()

    def take(self, host: str) -> None:
        """A request to `host` begins."""
        self._under_way[host] += 1

    def settle(self, host: str, quotas: Iterable[Quota], now: float) -> None:
        """A request to `host` has ended, with what its answer tells."""
        # One that was never begun makes no room for another.
        self._under_way[host] = max(self._under_way[host] - 1, 0)
        told = [quota for quota in quotas if quota.remaining is not None and quota.reset is not None]
        for quota in told:
            self._heed(host, quota, now)
        if not told:
            for (of, _), learned in self._quotas.items():
                learned.remaining -= of == host
        self._forget(now)

    def restore(self, host: str, name: str, reset_at: float) -> None:
        """A quota that a former owner found exhausted; it ends no earlier than is known here."""
        before = self._quotas.get((host, name))
        self._quotas[host, name] = _Learned(0, reset_at if before is None else max(reset_at, before.reset_at))

    def full(self, now: float, host: str | None = None) -> Iterator[tuple[float, str]]:
        """(until, quota for people) of each that has no room for one more; None asks for all hosts."""
        for (of, name), learned in self._quotas.items():
            if learned.reset_at > now and host in (None, of) and learned.remaining <= self._under_way[of]:
                yield learned.reset_at, f"{name} of {of}"

    def exhausted(self, now: float) -> Iterator[tuple[float, str, str]]:
        """(until, host, name) of each that has nothing left, whatever is under way."""
        for (of, name), learned in self._quotas.items():
            if learned.reset_at > now and learned.remaining <= 0:
                yield learned.reset_at, of, name

    def _heed(self, host: str, quota: Quota, now: float) -> None:
        assert quota.remaining is not None
        assert quota.reset is not None
        before = self._quotas.get((host, quota.name))
        reset_at = now + min(quota.reset, LONGEST)
        if quota.name == RETRY_AFTER and before is not None:
            reset_at = max(reset_at, before.reset_at)
        self._quotas[host, quota.name] = _Learned(quota.remaining, reset_at)

    def _forget(self, now: float) -> None:
        for key in [key for key, learned in self._quotas.items() if learned.reset_at <= now]:
            del self._quotas[key]
        while len(self._quotas) > _MOST:
            self._quotas.pop(min(self._quotas, key=lambda key: self._quotas[key].reset_at))
        for host in [host for host, count in self._under_way.items() if count <= 0]:
            del self._under_way[host]
