"""How often a source may run and ask: several windows at once, shared by the sources of one upstream.

The limits' text is read by `connectors.rates`, counting is in `producer.limits`; waiting for the time named
here is the scheduler's, and for short ones the client's.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Self

import structlog

from connectors.base import BaseConnector, upstream_name
from connectors.rates import RateLimit, parse_rate_limits
from producer.clocks import boot_id, boottime
from producer.limits.record import Clocks
from producer.limits.source import QuotaWait, SourceBudget
from producer.limits.store import LimitsStore
from producer.limits.upstream import UpstreamLimits
from runtime.errors import DependencyError

_log = structlog.get_logger(__name__)

Limits = Mapping[str, str | Iterable[str]]


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


class RateLimiter:
    """Proceed, or say when to try again. Safe to use from several threads.

    Where sources of one upstream declare different limits, all of them hold. Windows are measured on a clock
    that only goes forward, so that a corrected wall clock opens none of them. With a `store`, counts survive
    restarts and hand-over; without, they are this process's.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        requests: Limits | None = None,
        upstreams: Mapping[str, str] | None = None,
        store: LimitsStore | None = None,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = boottime,
    ) -> None:
        """`limits` (of runs), `requests` and `upstreams` by source; a source without upstream is its own."""
        boot = boot_id() if monotonic is boottime else None
        self._clocks = Clocks(now, monotonic, boot)
        self._lock = threading.Lock()
        self._store = store
        requests, upstreams = requests or {}, upstreams or {}
        self._upstream_of = {
            source: upstreams.get(source, source) for source in {**limits, **requests, **upstreams}
        }
        self._upstreams = {
            upstream: self._limits_of(
                upstream, self._merged(upstream, limits), self._merged(upstream, requests)
            )
            for upstream in sorted(set(self._upstream_of.values()))
        }
        self._budgets: dict[str, SourceBudget] = {}

    @classmethod
    def of(cls, connectors: Mapping[str, type[BaseConnector]], *, store: LimitsStore | None = None) -> Self:
        """The limiter of these connector classes, by name."""
        return cls(
            {source: connector.rate_limit for source, connector in connectors.items()},
            requests={source: connector.request_limit for source, connector in connectors.items()},
            upstreams={source: upstream_name(connector) for source, connector in connectors.items()},
            store=store,
        )

    def check_limit(self, source: str) -> QuotaWait | None:
        """None: proceed, and this run is counted. Otherwise the earliest time at which a run will fit, and
        why; none counted. Raises DependencyError if the stored counts can be neither read nor written.
        """
        return self.budget(source).check_run()

    def budget(self, source: str) -> SourceBudget:
        """What the requests of a run of `source` ask: for `connectors.http.governed_by`."""
        upstream = self._upstream(source)
        with self._lock:
            if source not in self._budgets:
                self._budgets[source] = SourceBudget(upstream, self._clocks.monotonic)
            return self._budgets[source]

    def waiting(self, source: str) -> QuotaWait | None:
        """What the requests of `source` have been told to wait for; None if for nothing, or it is over."""
        budget = self._budgets.get(source)
        return None if budget is None else budget.waiting()

    def acquire(self, source: str) -> None:
        """This process owns the upstream of `source` from now on: read what others have counted.

        Done at the first use otherwise; nothing happens the second time. Raises DependencyError.
        """
        self._upstream(source).acquire()

    def doubt(self, source: str) -> None:
        """Another process may have owned its upstream in between: read again before the next use."""
        self._upstream(source).doubt()

    def release(self, source: str) -> None:
        """It owns it no longer, and all runs of its sources have ended: give back what is not used.

        While that cannot be written, the rest of the reserved tokens counts as used, as after a crash.
        """
        try:
            self._upstream(source).release()
        except DependencyError as exc:
            _log.warning("limits_not_released", source=source, error=str(exc))

    def _upstream(self, source: str) -> UpstreamLimits:
        with self._lock:
            upstream = self._upstream_of.setdefault(source, source)
            if upstream not in self._upstreams:
                self._upstreams[upstream] = self._limits_of(upstream, (), ())
            return self._upstreams[upstream]

    def _merged(self, upstream: str, limits: Limits) -> tuple[RateLimit, ...]:
        declared = [
            parse_rate_limits(texts)
            for source, texts in limits.items()
            if self._upstream_of[source] == upstream
        ]
        return tuple(limit for limits_of_one in declared for limit in limits_of_one)

    def _limits_of(
        self, upstream: str, runs: tuple[RateLimit, ...], requests: tuple[RateLimit, ...]
    ) -> UpstreamLimits:
        own = None if self._store is None else partial(self._store.own, upstream)
        return UpstreamLimits(upstream, runs, requests, clocks=self._clocks, own=own)
