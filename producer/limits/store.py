"""The limits topic: one record per owner of an upstream, compacted.

Owners never write each other's records: one that comes back from a suspension and writes late adds to what
counts as used, and hides nothing. The newest owner takes over what the others have written, then deletes it.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer
from pydantic import ValidationError

from producer.errors import BrokerAwayError
from producer.limits.record import Record
from producer.partitioning import partition_of
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
        """Announce this owner by `record`; return what all others have written before it."""
        ...

    def write(self, record: Record) -> None:
        """Replace this owner's record; returns when that is acknowledged, else raises BrokerAwayError."""
        ...

    def forget(self, keys: Sequence[bytes]) -> None:
        """Delete records of others, now or never: they would only be counted twice."""
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

    def produce(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Write one record and wait until it is acknowledged; raises BrokerAwayError."""
        failures: list[KafkaError] = []
        acknowledged: list[Message] = []

        def told(error: KafkaError | None, message: Message) -> None:
            if error is None:
                acknowledged.append(message)
            else:
                failures.append(error)

        try:
            self._producer.produce(self.topic, value, key, partition=partition, on_delivery=told)
            self._producer.flush(self._timeout)
        except (KafkaException, BufferError) as exc:
            raise BrokerAwayError(f"{self.topic} cannot be written: {exc}") from exc
        if not acknowledged:
            why = failures[0].str() if failures else f"no answer within {self._timeout:g} s"
            raise BrokerAwayError(f"{self.topic} cannot be written: {why}")

    def read(self, partition: int) -> dict[bytes, Message]:
        """The newest record of each key of a partition; raises BrokerAwayError or DependencyError."""
        newest: dict[bytes, Message] = {}
        try:
            for message in read_to_end(
                self._reader,
                self.topic,
                partitions=[partition],
                must_exist=True,
                isolation="read_uncommitted",
                timeout=self._timeout,
            ):
                newest[message.key() or b""] = message
        except KafkaException as exc:
            raise BrokerAwayError(f"{self.topic} cannot be read: {exc.args[0]}") from exc
        return newest


class KafkaOwnership:
    """Implements Ownership on the limits topic; its key is `<upstream>/<a new id>`."""

    def __init__(self, store: LimitsStore, upstream: str, partition: int) -> None:
        self._store = store
        self._partition = partition
        self._prefix = f"{upstream}/".encode()
        self._key = self._prefix + uuid.uuid4().hex.encode()

    def load(self, record: Record) -> Sequence[Found]:
        # Written first: reading to the end then surely meets all that was written before, and its date says
        # what time it is for the broker.
        self.write(record)
        newest = self._store.read(self._partition)
        now = _broker_seconds(newest.get(self._key))
        found = []
        for key, message in newest.items():
            value = message.value()
            if value is None or key == self._key or not key.startswith(self._prefix):
                continue
            try:
                other = Record.model_validate_json(value)
            except ValidationError:
                _log.error(
                    "limits_record_unreadable", key=key.decode(errors="replace"), offset=message.offset()
                )
                continue
            then = _broker_seconds(message)
            found.append(Found(key, other, None if now is None or then is None else now - then))
        return found

    def write(self, record: Record) -> None:
        self._store.produce(self._partition, self._key, record.model_dump_json().encode())

    def forget(self, keys: Sequence[bytes]) -> None:
        try:
            for key in keys:
                self._store.produce(self._partition, key, None)
        except BrokerAwayError as exc:
            _log.warning("limits_not_forgotten", error=str(exc))


def _broker_seconds(message: Message | None) -> float | None:
    kind, milliseconds = (None, 0) if message is None else message.timestamp()
    return milliseconds / 1000 if kind == TIMESTAMP_LOG_APPEND_TIME else None
