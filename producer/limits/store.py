"""The limits topic: one record per owner of an upstream, compacted.

Owners never write each other's records: one that comes back from a suspension and writes late adds to what
counts as used, and hides nothing. The newest owner takes over what the others have written, then deletes it.
An owner that writes learns from the offset whether another has come since.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_LOG_APPEND_TIME,
    KafkaError,
    KafkaException,
    Message,
    Producer,
)
from pydantic import ValidationError

from producer.errors import BrokerAwayError
from producer.limits.record import Record
from producer.limits.written import Written
from producer.partitioning import partition_of
from runtime.errors import DependencyError
from runtime.topic_reader import read_to_end

# The broker's clock dates the records, so that no clock of ours has to be right.
LIMITS_CONFIG: Mapping[str, str] = {
    "cleanup.policy": "compact",
    "message.timestamp.type": "LogAppendTime",
}
TIMEOUT = 10.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Found:
    """What a former owner has written; `broker_seconds` is its age by the broker's clock, if known."""

    key: bytes
    record: Record
    broker_seconds: float | None


class Ownership(Protocol):
    """One owner's place for the record of one upstream."""

    def load(self, record: Record) -> Sequence[Found]:
        """Announce this owner by `record`; return what all others have written before it.

        With `overtaken` that may be in part what is later, and is not to be used. Raises DependencyError.
        """
        ...

    def write(self, record: Record) -> None:
        """Replace this owner's record; returns when that is acknowledged, else raises BrokerAwayError.

        Whether this owner was still the newest then is told by `overtaken`. Raises DependencyError.
        """
        ...

    @property
    def overtaken(self) -> bool:
        """Another owner had been announced after this one when this one loaded, or wrote last."""
        ...

    def forget(self, keys: Sequence[bytes]) -> None:
        """Delete records of others, now or never: they are included in ours."""
        ...


class Log(Protocol):
    """What an ownership needs of the limits topic. LimitsStore explains it."""

    def produce(self, partition: int, key: bytes, value: bytes | None) -> int | None: ...

    def read(self, partition: int, start: int = OFFSET_BEGINNING) -> dict[bytes, Message]: ...

    @property
    def written(self) -> Written:
        """What this process has written, through any of its ownerships."""
        ...


class LimitsStore:
    """Opens ownerships. Holds one idempotent producer; use it `with`, from several threads."""

    def __init__(
        self,
        producer_properties: Mapping[str, Any],
        reader_properties: Mapping[str, Any],
        topic: str,
        partitions: Callable[[], int],
        *,
        timeout: float = TIMEOUT,
    ) -> None:
        """`partitions` answers how many partitions the topic has, which was created with LIMITS_CONFIG;
        `timeout` is in seconds and bounds every call.
        """
        self.topic = topic
        self.written = Written()
        self._reader = dict(reader_properties)
        self._partitions = partitions
        self._timeout = timeout
        self._producer = Producer(
            {
                **producer_properties,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 0,
                "message.timeout.ms": int(timeout * 1000),
            }
        )

    def __enter__(self) -> "LimitsStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.flush(self._timeout)

    def own(self, upstream: str) -> "KafkaOwnership":
        """A new owner of `upstream`, unlike all before it, also those of this process."""
        partition = partition_of(upstream.encode(), self._partitions())
        return KafkaOwnership(self, upstream, partition)

    def produce(self, partition: int, key: bytes, value: bytes | None) -> int | None:
        """Write one record and wait until it is acknowledged; its offset, if the broker told it.

        Raises BrokerAwayError.
        """
        failures: list[KafkaError] = []
        acknowledged: list[Message] = []

        def told(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)
                return
            acknowledged.append(message)
            if (offset := message.offset()) is not None:
                self.written.add(partition, offset, key)

        try:
            self._producer.produce(self.topic, value, key, partition=partition, on_delivery=told)
            self._producer.flush(self._timeout)
        except (KafkaException, BufferError) as exc:
            raise BrokerAwayError(f"{self.topic} cannot be written: {exc}") from exc
        if not acknowledged:
            why = failures[0].str() if failures else f"no answer within {self._timeout:g} s"
            raise BrokerAwayError(f"{self.topic} cannot be written: {why}")
        return acknowledged[0].offset()

    def read(self, partition: int, start: int = OFFSET_BEGINNING) -> dict[bytes, Message]:
        """The newest record of each key from offset `start` on; raises BrokerAwayError or DependencyError."""
        newest: dict[bytes, Message] = {}
        try:
            for message in read_to_end(
                self._reader,
                self.topic,
                partitions=[partition],
                start=start,
                must_exist=True,
                isolation="read_uncommitted",
                timeout=self._timeout,
            ):
                newest[message.key() or b""] = message
        except KafkaException as exc:
            raise BrokerAwayError(f"{self.topic} cannot be read: {exc.args[0]}") from exc
        return newest


class KafkaOwnership:
    """Implements Ownership on the limits topic; its key is `<upstream>/<a new id>`.

    Of two owners the one that was announced later wins; it has read all that the other ever used. The other
    finds that out when it writes next, or in its `load`.
    """

    def __init__(self, store: Log, upstream: str, partition: int) -> None:
        self._store = store
        self._partition = partition
        self._prefix = f"{upstream}/".encode()
        self._key = self._prefix + uuid.uuid4().hex.encode()
        self._announced = -1
        # Before this offset it is known who has written.
        self._known = 0
        self._overtaken = False

    @property
    def overtaken(self) -> bool:
        return self._overtaken

    def load(self, record: Record) -> Sequence[Found]:
        # Written first: reading to the end then surely meets all that was written before, and its date says
        # what time it is for the broker.
        announced = self._produce(self._key, record)
        newest = self._store.read(self._partition)
        ours = newest.pop(self._key)
        # It may be ours no more: who was announced later has taken it over and deleted it.
        self._overtaken |= ours.value() is None
        self._announced = _offset(ours) if announced is None else announced
        self._known = self._announced + 1
        found = []
        for key, message in newest.items():
            if other := self._record(message):
                self._meet(message, other)
                found.append(Found(key, other, _seconds_between(message, ours)))
        return found

    def write(self, record: Record) -> None:
        record = record.model_copy(update={"announced": self._announced})
        self._follow(self._produce(self._key, record))

    def forget(self, keys: Sequence[bytes]) -> None:
        try:
            for key in keys:
                self._follow(self._produce(key, None))
        except DependencyError as exc:
            _log.warning("limits_not_forgotten", error=str(exc))

    def _produce(self, key: bytes, record: Record | None) -> int | None:
        value = None if record is None else record.model_dump_json().encode()
        return self._store.produce(self._partition, key, value)

    def _follow(self, offset: int | None) -> None:
        """Meet who has written between what is known and `offset`, which is ours: mostly nobody.

        Reading opens a consumer. What this process wrote there for its other upstreams is not worth it.
        """
        written = self._store.written
        if offset is not None and written.for_others(self._partition, self._known, offset, self._prefix):
            self._known = offset + 1
            return
        for key, message in self._store.read(self._partition, self._known).items():
            self._known = max(self._known, _offset(message) + 1)
            if key == self._key:
                self._overtaken |= message.value() is None
            elif other := self._record(message):
                self._meet(message, other)

    def _meet(self, message: Message, other: Record) -> None:
        announced = _offset(message) if other.announced is None else other.announced
        self._overtaken |= announced > self._announced

    def _record(self, message: Message) -> Record | None:
        """What another owner of this upstream says; None if it is of another, deleted, or unreadable."""
        key, value = message.key() or b"", message.value()
        if value is None or not key.startswith(self._prefix):
            return None
        try:
            return Record.model_validate_json(value)
        except ValidationError:
            _log.error("limits_record_unreadable", key=key.decode(errors="replace"), offset=message.offset())
            return None


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None
    return offset


def _seconds_between(earlier: Message, later: Message) -> float | None:
    """By the broker's clock, None if it dates none. It tells whole milliseconds: never more than it was."""
    (kind, then), (other_kind, now) = earlier.timestamp(), later.timestamp()
    if not kind == other_kind == TIMESTAMP_LOG_APPEND_TIME:
        return None
    return max(now - then - 1, 0) / 1000
