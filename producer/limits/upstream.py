"""All limits of one upstream: declared and learned, of runs and of requests, kept over restarts.

Implements `connectors.http.RequestBudget`. A use is taken only from a block of tokens whose reservation is
acknowledged; who loads after a crash counts the rest of the block as used then.
"""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from connectors.http import PATIENCE, Quota, Refusal
from connectors.rates import RateLimit
from producer.limits.learned import LearnedQuotas
from producer.limits.record import REQUESTS, RUNS, Clocks
from producer.limits.store import Found, Ownership
from producer.limits.windows import Budget
from runtime.errors import DependencyError

# A record that cannot be written is tried again this much later.
_AGAIN = 1.0
# Shorter blocks are over before a restart is.
_WORTH_KEEPING = 1.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class QuotaWait:
    """What an upstream's sources wait for, for people."""

    until: datetime
    quota: str
    upstream: str

    def __str__(self) -> str:
        return f"waiting until {self.until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} because of quota {self.quota}"


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
    ) -> None:
        """`own` begins an ownership of the stored record; None keeps everything in memory."""
        self.name = name
        self._declared = {RUNS: tuple(runs), REQUESTS: tuple(requests)}
        self._clocks = clocks
        self._own = own
        self._lock = threading.Lock()
        self._waits: tuple[float, QuotaWait] | None = None
        self._begin()

    def check_run(self) -> datetime | None:
        """None: a run may start, and is counted. Otherwise when to ask again; none counted.

        A quota of requests counts too, if it has no room for longer than a run would wait in place. Raises
        DependencyError if the stored state can be neither read nor written.
        """
        with self._lock:
            self._load()
            now = self._clocks.monotonic()
            free, limit = self._budgets[RUNS].free_at(now)
            asked, quota = self._requests_free(now, None)
            if asked - now <= PATIENCE:
                asked, quota = now, ""
            if max(free, asked) > now:
                return self._refuse(
                    now, *((free, f"{limit} of {self.name}") if free >= asked else (asked, quota))
                )
            self._reserve(RUNS)
            self._budgets[RUNS].take()
            self._budgets[RUNS].settle(self._clocks.monotonic())
            return None

    def take(self, host: str) -> Refusal | None:
        """As RequestBudget: None if the request is counted. While counts cannot be kept, nobody may ask."""
        with self._lock:
            try:
                self._load()
                now = self._clocks.monotonic()
                free, quota = self._requests_free(now, host)
                if free > now:
                    return Refusal(quota, self._refuse(now, free, quota), _milliseconds_up(free - now))
                self._reserve(REQUESTS)
            except DependencyError as exc:
                now = self._clocks.monotonic()
                what = f"the record of {self.name}'s limits ({exc})"
                return Refusal(what, self._refuse(now, now + _AGAIN, what), _AGAIN)
            self._budgets[REQUESTS].take()
            self._learned.take(host)
            return None

    def settle(self, host: str, quotas: Sequence[Quota] = ()) -> None:
        """As RequestBudget. A quota found exhausted is stored, so that nobody asks again after a restart."""
        with self._lock:
            now = self._clocks.monotonic()
            self._budgets[REQUESTS].settle(now)
            self._learned.settle(host, quotas, now)
            until = max((at for at, _, _ in self._learned.exhausted(now)), default=now)
            if any(quota.exhausted for quota in quotas):
                self._refuse(now, *self._requests_free(now, None))
            if until > max(self._stored_until, now) + _WORTH_KEEPING:
                self._keep(until)

    def waiting(self) -> QuotaWait | None:
        """What the last refusal told to wait for, while it lasts. Never waits itself."""
        waits = self._waits
        return None if waits is None or waits[0] <= self._clocks.monotonic() else waits[1]

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
                budget.reserved = 0
            try:
                self._write()
            finally:
                self._begin()

    def _begin(self) -> None:
        self._budgets = {kind: Budget(limits) for kind, limits in self._declared.items()}
        self._learned = LearnedQuotas()
        self._ownership: Ownership | None = None
        self._superseded: list[bytes] = []
        self._stored_until = -math.inf

    def _requests_free(self, now: float, host: str | None) -> tuple[float, str]:
        """When the next request fits, and the quota that holds it up longest."""
        free, limit = self._budgets[REQUESTS].free_at(now)
        quota = f"{limit} of {self.name}"
        for until, name in self._learned.full(now, host):
            if until > free:
                free, quota = until, name
        return free, quota

    def _refuse(self, now: float, free: float, quota: str) -> datetime:
        until = self._clocks.now() + timedelta(seconds=_milliseconds_up(free - now))
        self._waits = (free, QuotaWait(until, quota, self.name))
        return until

    def _reserve(self, kind: str) -> None:
        budget = self._budgets[kind]
        if budget.limits and not budget.reserved:
            if self._own is not None:
                self._write(adding=kind)
            budget.reserved = budget.block

    def _keep(self, until: float) -> None:
        if self._own is None:
            return
        try:
            self._load()
            self._write()
        except DependencyError as exc:
            _log.warning("quota_not_stored", upstream=self.name, error=str(exc))
        else:
            self._stored_until = until

    def _write(self, adding: str | None = None) -> None:
        assert self._ownership is not None
        now = self._clocks.monotonic()
        budgets = self._budgets.items()
        self._ownership.write(
            self._clocks.stamped(
                spent={kind: budget.spent(now) for kind, budget in budgets},
                open={
                    kind: budget.reserved + budget.under_way + (budget.block if kind == adding else 0)
                    for kind, budget in budgets
                },
                blocked=[
                    {"host": host, "quota": name, "seconds": until - now}
                    for until, host, name in self._learned.exhausted(now)
                ],
            )
        )
        if self._superseded:
            self._ownership.forget(self._superseded)
            self._superseded = []

    def _load(self) -> None:
        if self._own is None or self._ownership is not None:
            return
        ownership = self._own()
        found = ownership.load(self._clocks.stamped())
        self._take_over(found)
        self._superseded = [each.key for each in found]
        self._ownership = ownership
        if not any(each.record.tells_something for each in found):
            return
        # At once: what counts as used up to now must not count as used up to each later restart too.
        try:
            self._write()
        except DependencyError:
            self._begin()
            raise

    def _take_over(self, found: Sequence[Found]) -> None:
        now = self._clocks.monotonic()
        ages = [(each.record, self._clocks.age(each.record, each.broker_seconds)) for each in found]
        for kind, budget in self._budgets.items():
            spent = [
                (now - age - before, count)
                for record, age in ages
                for before, count in record.spent.get(kind, [])
            ]
            # Whoever reserved them may have used them up to this moment.
            held = [(now, record.open.get(kind, 0)) for record, _ in ages]
            budget.restore((at, count) for at, count in spent + held if count)
        for record, age in ages:
            for blocked in record.blocked:
                if blocked.seconds > age:
                    self._learned.restore(blocked.host, blocked.quota, now + blocked.seconds - age)


def _milliseconds_up(seconds: float) -> float:
    """Never earlier than it is, however the microseconds of a datetime are rounded."""
    return math.ceil(seconds * 1000) / 1000
