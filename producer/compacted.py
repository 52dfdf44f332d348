"""Writes a compacted topic without waiting: what is lost is found again by whoever reads it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

# Errors may quote a whole answer of an API; the log has all of it.
_LONGEST = 500
_log = structlog.get_logger(__name__)


@dataclass
class Delivery:
    """What has become of one record: neither is true or told while there is no answer."""

    acknowledged: bool = False
    refused: str | None = None


class CompactedTopic:
    """One topic in which the newest record of a key counts. Safe to use from several threads."""

    def __init__(self, properties: Mapping[str, Any], topic: str) -> None:
        """Connects with the first record."""
        self.topic = topic
        self._properties = dict(properties)
        self._lock = threading.Lock()
        self._opened: Producer | None = None

    def put(self, key: str, value: bytes | None, *, partition: int = -1) -> Delivery:
        """Queue a record, None deletes; `partition` -1: by the key. What cannot be written is logged."""
        delivery = Delivery()

        def told(error: KafkaError | None, message: Message) -> None:
            if error is None:
                delivery.acknowledged = True
            else:
                self._refuse(delivery, key, error.str())

        try:
            producer = self._producer()
            producer.produce(self.topic, value, key, partition=partition, on_delivery=told)
            producer.poll(0)
        except (KafkaException, BufferError) as exc:
            self._refuse(delivery, key, str(exc))
        return delivery

    def flush(self, seconds: float) -> None:
        """Wait for the answers to all that was put, at most so long; deliveries tell which came."""
        self._producer().flush(seconds)

    def _refuse(self, delivery: Delivery, key: str, why: str) -> None:
        delivery.refused = why
        _log.warning("record_not_written", topic=self.topic, key=key, error=why)

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
