"""How each source is, as it was told last: its state, whether it is paused, its last success and failure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from producer.states import Failure, State, Status


class StatusBoard:
    """Makes a status of what is told, and tells it on. Not locked: it belongs to a scheduler, which is."""

    def __init__(self, now: Callable[[], datetime], on_status: Callable[[str, Status], object]) -> None:
        self._now = now
        self._on_status = on_status
        self._paused: dict[str, str] = {}
        self._statuses: dict[str, Status] = {}
        self._successes: dict[str, datetime] = {}
        self._failures: dict[str, Failure] = {}
        self._notes: dict[str, str | None] = {}

    def statuses(self) -> Mapping[str, Status]:
        """Of every source, by name."""
        return dict(sorted(self._statuses.items()))

    def is_paused(self, source: str) -> bool:
        """Whether no job of it may begin."""
        return source in self._paused

    def pause(self, source: str, reason: str) -> None:
        """From the next `tell` on it is PAUSED, whatever else it is while it does not run."""
        self._paused[source] = reason

    def resume(self, source: str) -> bool:
        """The pause is over; whether there was one."""
        return self._paused.pop(source, None) is not None

    def succeeded(self, source: str, at: datetime) -> None:
        """A run has reached the end of its source."""
        self._successes[source] = at

    def failed(self, source: str, reason: str) -> None:
        """A run has ended with an error, now."""
        self._failures[source] = Failure(self._now(), reason)

    def note(self, source: str, words: str | None) -> None:
        """Told with SCHEDULED from the next `tell` on; None: nothing."""
        self._notes[source] = words

    def waits(self, source: str, reason: str | None) -> None:
        """Its run waits for that, and goes on after it; None: for nothing."""
        status = self._statuses[source]
        if status.waits != reason:
            self._statuses[source] = replace(status, waits=reason)
            self._on_status(source, self._statuses[source])

    def tell(
        self, source: str, state: State, reason: str | None = None, next_due: datetime | None = None
    ) -> None:
        """It is so from now on."""
        if source in self._paused and state not in (State.RUNNING, State.UNASSIGNED):
            before = f"; before that {state}: {reason}" if state in (State.FAILED, State.BLOCKED) else ""
            state, reason, next_due = State.PAUSED, f"{self._paused[source]}{before}", None
        if state is State.SCHEDULED and reason is None:
            reason = self._notes.get(source)
        success, failure = self._successes.get(source), self._failures.get(source)
        status = Status(state, self._now(), reason, next_due, success, failure)
        self._statuses[source] = status
        self._on_status(source, status)
