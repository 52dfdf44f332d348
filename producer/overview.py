"""What an operator reads about the sources on `/readyz?verbose`: a line for each, and for what cannot run.

The numbers behind it are metrics, the full errors are in the log.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from connectors.registry import ConnectorRegistry
from producer.scheduler import Scheduler
from producer.states import State, Status
from producer.workers import STALLED_SECONDS
from runtime.redaction import hide_text

# Errors may quote a whole answer of an API; the log has all of it.
_LONGEST = 300


class Overview:
    """Says how the sources are, at any time and from any thread. No line holds a secret or a line break."""

    def __init__(
        self,
        connectors: ConnectorRegistry,
        scheduler: Scheduler,
        *,
        skipped: Collection[str],
        silent_for: Callable[[str], float | None],
        secrets: Sequence[str] = (),
    ) -> None:
        """`silent_for` answers how many seconds a source's connector has been waited for, None if not."""
        self._connectors = connectors
        self._scheduler = scheduler
        self._skipped = skipped
        self._silent_for = silent_for
        self._secrets = secrets

    def sources(self) -> Sequence[str]:
        """One line for each source: state, since when, what it waits for, what was last."""
        statuses = self._scheduler.statuses()
        names = sorted({*self._connectors.sources, *statuses})
        return [f"{name}: {self._told(name, statuses.get(name))}" for name in names]

    def quarantined(self) -> Sequence[str]:
        """One line for each file, class or entry point that cannot run."""
        return [self._short(str(each)) for each in self._connectors.quarantined]

    def _told(self, name: str, status: Status | None) -> str:
        if status is not None:
            return "; ".join([self._state(name, status), *self._times(status)])
        return "skipped by INGEST_CONNECTORS__SKIP" if name in self._skipped else "not scheduled yet"

    def _state(self, name: str, status: Status) -> str:
        if status.state is State.UNASSIGNED:
            # Of the fleet it may well be assigned; only `ingest connectors list` knows.
            return f"not run by this producer since {_time(status.since)}: {status.reason}"
        told = f"{status.state} since {_time(status.since)}"
        if status.state is not State.RUNNING:
            return told if status.reason is None else f"{told}: {self._short(status.reason)}"
        if status.waits is not None:
            return f"{told}: {self._short(status.waits)}"
        # Of a run, the reason is what became of the job before; what it waits for now is its connector.
        silent = self._silent_for(name) or 0.0
        stalled = silent >= STALLED_SECONDS
        return f"{told}: its connector has been silent for {silent:.0f} s" if stalled else told

    def _times(self, status: Status) -> list[str]:
        parts = []
        if status.next_due is not None:
            parts.append(f"next due {_time(status.next_due)}")
        if status.state is not State.UNASSIGNED:
            parts.append(f"last success {_time(status.last_success) if status.last_success else 'never'}")
        failure = status.last_failure
        if failure is not None:
            is_told = status.state is not State.RUNNING and failure.reason == status.reason
            why = "" if is_told else f": {self._short(failure.reason)}"
            parts.append(f"last error {_time(failure.at)}{why}")
        return parts

    def _short(self, text: str) -> str:
        words = " ".join(hide_text(text, self._secrets).split())
        return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} …"


def _time(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
