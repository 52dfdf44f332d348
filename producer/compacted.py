"""Writes a compacted topic without waiting: what is lost is found again by whoever reads it."""

import threading
from collections.abc import Mapping
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
        self._lock = threading.Lock()
        self._opened: Producer | None = None

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

    def _producer(self) -> Producer:
        own = {"enable.idempotence": True, "acks": "all", "linger.ms": 0}
        with self._lock:
            if self._opened is None:
                self._opened = Producer({**self._properties, **own})
            return self._opened


def shortened(text: str) -> str:
    """`text` as a record may have it."""
    # An answer's \ud800 is no text for UTF-8.
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _told(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        key = (message.key() or b"").decode(errors="replace")
        _log.warning("record_not_written", topic=message.topic(), key=key, error=error.str())
