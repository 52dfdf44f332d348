"""Quotas that an API tells in its headers, by host and name. Pure: no clock, no lock, no Kafka."""

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
    """What is left of each quota until its reset; forgotten then."""

    def __init__(self) -> None:
        self._quotas: dict[tuple[str, str], _Learned] = {}

    def heed(self, host: str, quotas: Iterable[Quota], now: float, under_way: int) -> None:
        """Replace what was known by what an answer of `host` tells; it may not know of those under way."""
        for quota in quotas:
            if quota.remaining is None or quota.reset is None:
                continue
            remaining = max(quota.remaining - under_way, 0)
            before = self._quotas.get((host, quota.name))
            reset_at = now + min(quota.reset, LONGEST)
            if quota.name == RETRY_AFTER and before is not None:
                reset_at = max(reset_at, before.reset_at)
            self._quotas[host, quota.name] = _Learned(remaining, reset_at)
        self._forget(now)

    def restore(self, host: str, name: str, reset_at: float) -> None:
        """A quota that a former owner found exhausted."""
        self._quotas[host, name] = _Learned(0, reset_at)

    def take(self, host: str, now: float) -> None:
        """A request to `host` begins."""
        for (of, _), learned in self._quotas.items():
            if of == host and learned.reset_at > now:
                learned.remaining = max(learned.remaining - 1, 0)

    def blocked(self, now: float, host: str | None = None) -> Iterator[tuple[float, str, str]]:
        """(until, host, name) of each exhausted quota; None asks for all hosts."""
        for (of, name), learned in self._quotas.items():
            if learned.remaining == 0 and learned.reset_at > now and host in (None, of):
                yield learned.reset_at, of, name

    def _forget(self, now: float) -> None:
        for key in [key for key, learned in self._quotas.items() if learned.reset_at <= now]:
            del self._quotas[key]
        while len(self._quotas) > _MOST:
            self._quotas.pop(min(self._quotas, key=lambda key: self._quotas[key].reset_at))
