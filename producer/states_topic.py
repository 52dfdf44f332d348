"""The states topic: what each source is doing, told by the producer that runs it, for any machine to read."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from producer.compacted import CompactedTopic, shortened
from producer.errors import BrokerAwayError
from producer.states import State, Status
from producer.target import process_name
from runtime.errors import DependencyError
from runtime.topic_reader import read_to_end

_TIMEOUT = 10.0
_log = structlog.get_logger(__name__)


class LastError(BaseModel):
    """How the last run that failed has ended."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    reason: str


class Announcement(BaseModel):
    """A source's record: its status, who told it (host and process), and in which partition its jobs are."""

    model_config = ConfigDict(frozen=True)

    source: str = Field("", exclude=True)
    state: State
    since: AwareDatetime
    reason: str | None = None
    next_due: AwareDatetime | None = None
    last_success: AwareDatetime | None = None
    last_error: LastError | None = None
    owner: str
    partition: int


class StatesTopic:
    """Writes the statuses of the sources that this process runs."""

    def __init__(
        self,
        properties: Mapping[str, Any],
        topic: str,
        partition: Callable[[str], int],
        hide: Callable[[str], str],
    ) -> None:
        """`partition` answers where the jobs of a source are; `hide` takes secrets out of a text."""
        self._records = CompactedTopic(properties, topic)
        self._partition = partition
        self._hide = hide
        self.flush = self._records.flush

    def tell(self, source: str, status: Status) -> None:
        """Write it; at once, without waiting. That a source is somebody else's, that one tells."""
        if status.state is State.UNASSIGNED:
            return
        reason, failure = status.waits or status.reason, status.last_failure
        announcement = Announcement(
            source=source,
            state=status.state,
            since=status.since,
            reason=None if reason is None else self._short(reason),
            next_due=status.next_due,
            last_success=status.last_success,
            last_error=failure and LastError(at=failure.at, reason=self._short(failure.reason)),
            owner=process_name(),
            partition=self._partition(source),
        )
        self._records.put(source, announcement.model_dump_json().encode())

    def _short(self, text: str) -> str:
        return shortened(self._hide(text))


def read_states(properties: Mapping[str, Any], topic: str) -> dict[str, Announcement]:
    """What was told last of each source, by name. Raises BrokerAwayError."""
    newest: dict[str, bytes | None] = {}
    try:
        for message in read_to_end(properties, topic, timeout=_TIMEOUT):
            newest[(message.key() or b"").decode(errors="replace")] = message.value()
    except (KafkaException, DependencyError) as exc:
        raise BrokerAwayError(f"the states of the sources could not be read from {topic}: {exc}") from exc
    found = {source: _parsed(source, value) for source, value in sorted(newest.items()) if value}
    return {source: one for source, one in found.items() if one is not None}


def _parsed(source: str, value: bytes) -> Announcement | None:
    try:
        return Announcement.model_validate_json(value).model_copy(update={"source": source})
    except ValidationError as exc:
        _log.warning("state_unreadable", source=source, why=exc.errors(include_url=False)[0]["msg"])
        return None
