"""What one source asks of its upstream's limits, and what it has been told to wait for.

Sources of an upstream share its counts; a wait is told of the source that was refused only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.http import Quota, Refusal
from producer.limits.upstream import UpstreamLimits


@dataclass(frozen=True)
class QuotaWait:
    """What a source waits for, for people: `quota` names its upstream or host."""

    until: datetime
    quota: str

    def __str__(self) -> str:
        return f"waiting until {self.until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} because of quota {self.quota}"


class SourceBudget:
    """Implements `connectors.http.RequestBudget` for one source. Safe to use from several threads."""

    def __init__(self, limits: UpstreamLimits, monotonic: Callable[[], float]) -> None:
        """`monotonic` tells seconds and never goes back: a wait is over by it."""
        self._limits = limits
        self._monotonic = monotonic
        # Replaced as a whole: who asks for it need not wait for a write that is under way.
        self._told: tuple[float, QuotaWait] | None = None

    def check_run(self) -> QuotaWait | None:
        """None: a run may start, and is counted. Otherwise what it waits for.

        Raises DependencyError if the stored counts can be neither read nor written.
        """
        refusal = self._limits.check_run()
        if refusal is None:
            # A run begins; what the one before was told is not its wait.
            self._told = None
            return None
        return _wait(refusal)

    def take(self, host: str) -> Refusal | None:
        """As RequestBudget."""
        refusal = self._limits.take(host)
        self._hear(refusal)
        return refusal

    def settle(self, host: str, quotas: Sequence[Quota] = ()) -> None:
        """As RequestBudget."""
        if refusal := self._limits.settle(host, quotas):
            self._hear(refusal)

    def waiting(self) -> QuotaWait | None:
        """What the last refusal told, until it is over or a request is granted. Never waits itself."""
        told = self._told
        return None if told is None or told[0] <= self._monotonic() else told[1]

    def _hear(self, refusal: Refusal | None) -> None:
        self._told = None if refusal is None else (self._monotonic() + refusal.seconds, _wait(refusal))


def _wait(refusal: Refusal) -> QuotaWait:
    return QuotaWait(refusal.until, refusal.quota)
