"""Reads single records again, as they are in their topic: dead letters need the key and headers of a record.

The loader keeps neither: almost no record ever needs them, and keeping them would double its memory.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from consumer.errors import BrokerAwayError

TIMEOUT = 30.0
_CHUNK = 1000


class Originals:
    """Looks records up by place. Each look-up opens a consumer of its own, without a group's life."""

    def __init__(
        self,
        properties: Mapping[str, Any],
        *,
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._properties = {
            **properties,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": 8192,
        }
        self._timeout = timeout
        self._clock = clock

    def read(self, topic: str, partition: int, offsets: Collection[int]) -> Mapping[int, Message]:
        """The records at these offsets; those that are gone are left out. Raises BrokerAwayError."""
        wanted = set(offsets)
        found: dict[int, Message] = {}
        consumer = Consumer(self._properties)
        try:
            while wanted:
                start = min(wanted)
                consumer.assign([TopicPartition(topic, partition, start)])
                if self._from(consumer, wanted, found):
                    break
                # Before the log's start: the next one wanted may still be there.
                wanted = wanted - found.keys() - {start}
        finally:
            consumer.close()
        return found

    def _from(self, consumer: Consumer, wanted: Collection[int], found: dict[int, Message]) -> bool:
        """Read on and collect; True when no more can come, False when the place to start from is gone."""
        last, deadline = max(wanted), self._clock() + self._timeout
        while self._clock() < deadline:
            for message in consumer.consume(_CHUNK, timeout=0.5):
                error, offset = message.error(), message.offset()
                if error is not None:
                    if error.code() in _ENDS:
                        return error.code() in _NO_MORE
                    if error.fatal():
                        raise KafkaException(error)
                elif offset is not None:
                    if offset in wanted:
                        found[offset] = message
                    if offset >= last:
                        return True
        raise BrokerAwayError("the broker did not return, in time, records that must be dead-lettered")


# librdkafka's public names for what it reports in place of a message.
_NO_MORE = frozenset({KafkaError._PARTITION_EOF, KafkaError.UNKNOWN_TOPIC_OR_PART})  # noqa: SLF001
_ENDS = _NO_MORE | {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}  # noqa: SLF001
