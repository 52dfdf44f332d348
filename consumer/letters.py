"""What stands in a dead letter: the record as it was read, where it stood, and why it cannot be loaded.

Leaves writing them to `dead_letters`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Message

from consumer.assignment import GENERATION, Assigned
from consumer.container import Row

STAGE = "consumer"
ERROR_LIMIT = 1000
_LEADER_EPOCH = 0xFFFF_FFFF
_NOT_FRAMED = "not_framed", "the value does not start with a zero byte and a schema id in four bytes"
_NULL_VALUE = "null_value", "the record has no value, and this source keeps every record: it deletes none"

Headers = Sequence[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A row that will not be loaded, and why."""

    row: Row
    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One record as it was read, and why it cannot be loaded.

    `reason` is one of few classes (it labels a metric), `error` says it in words. `key_known` is False when
    the record was gone from its topic before its key and headers could be read again.
    """

    topic: str
    topic_id: str
    partition: int
    offset: int
    log_time: int
    leader_epoch: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str
    error: str
    key_known: bool = True

    def all_headers(self) -> list[tuple[str, str | bytes | None]]:
        """The original headers, then ours: where the record came from and why it is here."""
        own = {
            "reason": self.reason,
            "stage": STAGE,
            "error": self.error[:ERROR_LIMIT],
            "topic": self.topic,
            "topic_id": self.topic_id,
            "partition": str(self.partition),
            "offset": str(self.offset),
            "log_timestamp": str(self.log_time),
            "leader_epoch": str(self.leader_epoch),
            "generation": str(GENERATION),
        }
        if not self.key_known:
            own["key_lost"] = "true"
        return [*self.headers, *((name, text.encode(errors="replace")) for name, text in own.items())]


def letter(assigned: Assigned, doubt: Doubt, original: Message | None) -> Letter:
    """The letter for a row; `original` is the message read again, None when it is gone from its topic."""
    row = doubt.row
    return Letter(
        topic=assigned.topic,
        topic_id=assigned.topic_id.text,
        partition=assigned.partition,
        offset=row.offset,
        log_time=row.time,
        leader_epoch=row.place.version & _LEADER_EPOCH,
        key=original.key() if original is not None else None,
        value=row.value,
        headers=_headers(original),
        reason=doubt.reason,
        error=doubt.error,
        key_known=original is not None,
    )


def unframed(assigned: Assigned, message: Message) -> Letter:
    """The letter for a message without Confluent's framing."""
    value = message.value()
    reason, error = _NULL_VALUE if value is None else _NOT_FRAMED
    return Letter(
        topic=assigned.topic,
        topic_id=assigned.topic_id.text,
        partition=assigned.partition,
        offset=message.offset() or 0,
        log_time=message.timestamp()[1],
        leader_epoch=message.leader_epoch() or 0,
        key=message.key(),
        value=value,
        headers=_headers(message),
        reason=reason,
        error=error,
    )


def _headers(message: Message | None) -> list[tuple[str, str | bytes | None]]:
    # A message without a value has length 0 and would be false.
    headers = message.headers() if message is not None else None
    if headers is None:
        return []
    return list(headers.items()) if isinstance(headers, dict) else list(headers)
