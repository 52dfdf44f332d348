"""How far each source has been extracted: one record per source on a compacted topic.

This module reads positions and says how one is written; the publisher writes them, after everything before
them is acknowledged. What a cursor's value means is the connector's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from confluent_kafka import KafkaException, Message
from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue, ValidationError

from producer.errors import BrokerAwayError, CursorError
from producer.partitioning import partition_of
from runtime.topic_reader import read_to_end

READ_TIMEOUT = 30.0


class _Stored(BaseModel):
    """The value of a cursor record. Unknown keys are allowed: a newer version may write more."""

    model_config = ConfigDict(frozen=True)

    cursor: JsonValue = None
    run_id: str
    at: AwareDatetime
    completed: AwareDatetime | None = None


@dataclass(frozen=True)
class Position:
    """Where a source stands.

    `cursor` is JSON, None for a source without one. `at` is when this was written, `completed` when the last
    run that reached the end of its source had started: None while there is none, so a first run cut short is
    seen.
    """

    source: str
    cursor: JsonValue
    run_id: str
    at: datetime
    completed: datetime | None

    def message(self) -> tuple[bytes, bytes]:
        """Key and value of the record that stores this position."""
        value = {
            "cursor": self.cursor,
            "run_id": self.run_id,
            "at": _text(self.at),
            "completed": None if self.completed is None else _text(self.completed),
        }
        return self.source.encode(), orjson.dumps(value)


class CursorStore:
    """Reads the cursors topic. Holds no connection between calls."""

    def __init__(
        self,
        properties: Mapping[str, Any],
        topic: str,
        partitions: Callable[[], int],
        *,
        timeout: float = READ_TIMEOUT,
    ) -> None:
        """`partitions` answers how many partitions the topic has now; `timeout` is in seconds without
        progress.
        """
        self._properties = dict(properties)
        self.topic = topic
        self._partitions = partitions
        self._timeout = timeout

    def load(self, source: str) -> Position | None:
        """The newest position of `source`, None if there is none. Reads the one partition that holds it.

        Raises DependencyError, or CursorError for a value that nobody of us wrote.
        """
        partition = partition_of(source.encode(), self._partitions())
        return self._read([partition]).get(source)

    def load_all(self) -> dict[str, Position]:
        """The newest position of every source; those that cannot be read are left out."""
        return self._read(None, skip_unreadable=True)

    def _read(self, partitions: list[int] | None, *, skip_unreadable: bool = False) -> dict[str, Position]:
        newest: dict[str, Message] = {}
        try:
            # The topic was created before anybody reads it: a broker that does not know it yet would make
            # every source start from nothing.
            # What is written without a transaction is committed at once; and the end must be the log's own
            # end, which a read_committed reader does not see while any transaction is open.
            messages = read_to_end(
                self._properties,
                self.topic,
                partitions=partitions,
                must_exist=True,
                isolation="read_uncommitted",
                timeout=self._timeout,
            )
            for message in messages:
                newest[(message.key() or b"").decode(errors="replace")] = message
        except KafkaException as exc:
            raise BrokerAwayError(f"cursors could not be read from {self.topic}: {exc.args[0]}") from exc
        return {
            source: position
            for source, message in newest.items()
            if (position := _position(source, message, skip_unreadable)) is not None
        }


def _position(source: str, message: Message, skip_unreadable: bool) -> Position | None:
    value = message.value()
    if value is None:
        return None
    try:
        stored = _Stored.model_validate_json(value)
    except ValidationError as exc:
        if skip_unreadable:
            return None
        raise CursorError(
            f"the cursor of {source} at {message.topic()}[{message.partition()}] offset {message.offset()} "
            f"cannot be read: {exc.errors(include_url=False, include_input=False)[0]['msg']}. "
            "Write a valid one for that key, or a record without value to start from nothing."
        ) from exc
    return Position(source, stored.cursor, stored.run_id, stored.at, stored.completed)


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()
