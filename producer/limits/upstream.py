"""All limits of one upstream: declared and learned, of runs and of requests, kept over restarts.

A use is taken only from a block of tokens whose reservation is acknowledged in time and found to stand behind
no other owner's; who loads later counts the rest of the block as used.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from connectors.http import PATIENCE, Quota, Refusal
from connectors.rates import RateLimit
from producer.errors import BrokerAwayError
from producer.limits.learned import LearnedQuotas
from producer.limits.record import REQUESTS, RUNS, Clocks
from producer.limits.store import Found, Ownership
from producer.limits.windows import BLOCK_SECONDS, Budget
from runtime.errors import DependencyError

# A record that cannot be written is tried again this much later.
_AGAIN = 1.0
# Who was overtaken leaves the other this long, times chance, then twice that, and so on.
_TRIES = 6
_APART = 0.1
# A request that was under way has reached the upstream, or never will.
_ARRIVED = 60.0
# Shorter blocks are over before a restart is.
_WORTH_KEEPING = 1.0
_log = structlog.get_logger(__name__)


class UpstreamLimits:
    """Counts the runs and requests of one upstream. Safe to use from several threads."""

    def __init__(
        self,
        name: str,
        runs: Sequence[RateLimit],
        requests: Sequence[RateLimit],
        *,
        clocks: Clocks,
        own: Callable[[], Ownership] | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """`own` begins an ownership of the stored record; None keeps everything in memory. `pause` waits for
        some seconds, during which nobody else gets an answer.
        """
        self.name = name
        self._declared = {RUNS: tuple(runs), REQUESTS: tuple(requests)}
        self._clocks = clocks
        self._own = own
        self._pause = pause
        self._lock = threading.Lock()
        # Outlives ownerships: what the API told this process stays true whoever owns the record.
        self._learned = LearnedQuotas()
        self._begin()

    def check_run(self) -> Refusal | None:
        """None: a run may start, and is counted. Otherwise when to ask again; none counted.

        A quota of requests counts too, if it has no room for longer than a run would wait in place. Raises
        DependencyError if the stored state can be neither read nor written.
        """
        with self._lock:
            if refusal := self._reserved(RUNS, self._runs_free):
                return refusal
            self._budgets[RUNS].take()
            self._budgets[RUNS].settle(self._clocks.monotonic())
            return None

    def take(self, host: str) -> Refusal | None:
        """As RequestBudget: None if the request is counted. While counts cannot be kept, nobody may ask."""
        with self._lock:
            try:
                refusal = self._reserved(REQUESTS, lambda now: self._requests_free(now, host))
            except DependencyError as exc:
                return self._cannot_count(str(exc))
            if refusal:
                return refusal
            self._budgets[REQUESTS].take()
            self._learned.take(host)
            return None

    def settle(self, host: str, quotas: Sequence[Quota] = ()) -> Refusal | None:
        """As RequestBudget; returns what the next request to `host` waits for, if this answer says so.

        A quota found exhausted is stored, so that nobody asks again after a restart.
        """
        with self._lock:
            now = self._clocks.monotonic()
            self._budgets[REQUESTS].settle(now)
            self._learned.settle(host, quotas, now)
            is_refused = any(quota.exhausted for quota in quotas)
            told = self._refusal(now, *self._requests_free(now, host)) if is_refused else None
            if self._has_unstored(now):
                self._keep()
            return told

    def acquire(self) -> None:
        """Ownership has begun: read what former owners have written. Raises DependencyError."""
        with self._lock:
            self._load()

    def doubt(self) -> None:
        """Another process may have owned it in between: read again what is stored, before the next use."""
        with self._lock:
            if self._own is not None:
                self._begin()

    def release(self) -> None:
        """Ownership ends in good order: give back what was reserved and not used. Raises BrokerAwayError."""
        with self._lock:
            if self._ownership is None:
                return
            for budget in self._budgets.values():
                budget.give_back()
            try:
                self._write()
            finally:
                self._begin()

    def _begin(self) -> None:
        self._budgets = {kind: Budget(limits) for kind, limits in self._declared.items()}
        self._ownership: Ownership | None = None
        self._superseded: list[bytes] = []
        self._includes: list[str] = []
        # When the exhausted quotas end that our record tells of, by host and name.
        self._stored: dict[tuple[str, str], float] = {}

    def _reserved(self, kind: str, free_at: Callable[[float], tuple[float, str]]) -> Refusal | None:
        """None: a token of `kind` may be taken. `free_at` says when one fits, and what holds it up."""
        for attempt in range(_TRIES):
            ours = self._load()
            now = self._clocks.monotonic()
            free, quota = free_at(now)
            if ours and free > now:
                return self._refusal(now, free, quota)
            if ours and self._reserve(kind, now):
                return None
            _log.info("limits_overtaken", upstream=self.name)
            self._begin()
            self._pause(random.uniform(0.0, _APART * 2**attempt))  # noqa: S311 - no secret
        return self._cannot_count("several processes want it at once")

    def _runs_free(self, now: float) -> tuple[float, str]:
        free, limit = self._budgets[RUNS].free_at(now)
        asked, quota = self._requests_free(now, None)
        if asked - now <= PATIENCE:
            asked, quota = now, ""
        return (free, f"{limit} of {self.name}") if free >= asked else (asked, quota)

    def _requests_free(self, now: float, host: str | None) -> tuple[float, str]:
        """When the next request fits, and the quota that holds it up longest."""
        free, limit = self._budgets[REQUESTS].free_at(now)
        quota = f"{limit} of {self.name}"
        for until, name in self._learned.full(now, host):
            if until > free:
                free, quota = until, name
        return free, quota

    def _refusal(self, now: float, free: float, quota: str) -> Refusal:
        seconds = _milliseconds_up(free - now)
        return Refusal(quota, self._clocks.now() + timedelta(seconds=seconds), seconds)

    def _cannot_count(self, why: str) -> Refusal:
        now = self._clocks.monotonic()
        return self._refusal(now, now + _AGAIN, f"the record of {self.name}'s limits ({why})")

    def _reserve(self, kind: str, now: float) -> bool:
        """False: another process has taken over what is counted here. It does not count this block, which
        must not be used.
        """
        budget = self._budgets[kind]
        if not budget.limits or budget.reserved(now):
            return True
        if self._ownership is not None:
            self._write(adding=kind)
            if self._clocks.monotonic() >= now + BLOCK_SECONDS:
                # Others may count the block as over. At once again would be as late, with the lock held.
                self._begin()
                raise BrokerAwayError(f"the broker took longer than {BLOCK_SECONDS:g} s")
            if self._ownership.overtaken:
                return False
        budget.reserve(now)
        return True

    def _has_unstored(self, now: float) -> bool:
        """Whether a quota is exhausted for longer than our record tells."""
        return any(
            until > max(self._stored.get((host, name), now), now) + _WORTH_KEEPING
            for until, host, name in self._learned.exhausted(now)
        )

    def _keep(self) -> None:
        if self._own is None:
            return
        try:
            if self._load():
                self._write()
        except DependencyError as exc:
            _log.warning("quota_not_stored", upstream=self.name, error=str(exc))

    def _write(self, adding: str | None = None) -> None:
        assert self._ownership is not None
        now = self._clocks.monotonic()
        budgets = self._budgets.items()
        exhausted = list(self._learned.exhausted(now))
        self._ownership.write(
            self._clocks.stamped(
                spent={kind: budget.spent(now) for kind, budget in budgets},
                open={
                    kind: budget.under_way + (budget.block if kind == adding else budget.reserved(now))
                    for kind, budget in budgets
                },
                blocked=[
                    {"host": host, "quota": name, "seconds": until - now} for until, host, name in exhausted
                ],
                includes=self._includes,
            )
        )
        self._stored = {(host, name): until for until, host, name in exhausted}
        if self._superseded:
            self._ownership.forget(self._superseded)
            self._superseded = []

    def _load(self) -> bool:
        """Whether the counts are ours; False: while they were read, another owner was announced."""
        if self._own is None or self._ownership is not None:
            return True
        ownership = self._own()
        found = ownership.load(self._clocks.stamped())
        if ownership.overtaken:
            return False
        self._take_over(found)
        self._superseded = [each.key for each in found]
        self._includes = [_name(each) for each in found]
        self._ownership = ownership
        if not any(each.record.tells_something for each in found):
            return True
        # At once: what counts as used up to now must not count as used up to each later restart too.
        try:
            self._write()
        except DependencyError:
            self._begin()
            raise
        return True

    def _take_over(self, found: Sequence[Found]) -> None:
        now = self._clocks.monotonic()
        ages = [(each.record, self._clocks.age(each.record, each.broker_seconds)) for each in found]
        included = {key for each in found for key in each.record.includes}
        counted = [aged for each, aged in zip(found, ages, strict=True) if _name(each) not in included]
        for kind, budget in self._budgets.items():
            spent = [
                (now - age - before, count)
                for record, age in counted
                for before, count in record.spent.get(kind, [])
            ]
            held = [(now - age + _still_used(age), record.open.get(kind, 0)) for record, age in counted]
            budget.restore((at, count) for at, count in spent + held if count)
        for record, age in ages:
            for blocked in record.blocked:
                if blocked.seconds > age:
                    self._learned.restore(blocked.host, blocked.quota, now + blocked.seconds - age)


def _name(found: Found) -> str:
    return found.key.decode(errors="replace")


def _still_used(age: float) -> float:
    """For how long after a record the tokens that it reserved may reach the upstream.

    Its owner may be there still: those not taken yet are used until their block is void.
    """
    return min(max(age, BLOCK_SECONDS), _ARRIVED)


def _milliseconds_up(seconds: float) -> float:
    """Never earlier than it is, however the microseconds of a datetime are rounded."""
    return math.ceil(seconds * 1000) / 1000
