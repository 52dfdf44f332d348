"""Writes a compacted topic without waiting: what is lost is found again by whoever reads it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

# Errors may quote a whole answer of an API; the log has all of it.
_LONGEST = 500
_log = structlog.get_logger(__name__)


class CompactedTopic:
    """One topic in which the newest record of a key counts. Safe to use from several threads."""

    def __init__(self, properties: Mapping[str, Any], topic: str) -> None:
        """Connects with the first record."""
        self.topic = topic
        self._properties = dict(properties)
        self._producer = cache(self._open)

    def put(self, key: str, value: bytes | None, *, partition: int = -1) -> None:
        """Queue a record, None deletes; `partition` -1: by the key. What cannot be written is logged."""
        try:
            producer = self._producer()
            producer.produce(self.topic, value, key, partition=partition, on_delivery=_told)
            producer.poll(0)
        except (KafkaException, BufferError) as exc:
            _log.warning("record_not_written", topic=self.topic, key=key, error=str(exc))

    def flush(self, seconds: float) -> bool:
        """Wait until all is acknowledged; False if that took too long."""
        return self._producer().flush(seconds) == 0

    def _open(self) -> Producer:
        return Producer({**self._properties, "enable.idempotence": True, "acks": "all", "linger.ms": 0})


def shortened(text: str) -> str:
    """`text` as a record may have it."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _told(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        key = (message.key() or b"").decode(errors="replace")
        _log.warning("record_not_written", topic=message.topic(), key=key, error=error.str())
