"""Plain Kafka clients, as somebody who knows nothing of us would use them."""

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from devstack.broker import Broker

DEADLINE_SECONDS = 60


class Clients:
    """Plain clients of one broker, with the properties that its users are told to set."""

    def __init__(self, broker: Broker, properties: Mapping[str, Any] | None = None) -> None:
        self._base: dict[str, Any] = {"bootstrap.servers": broker.address, "log_level": 0}
        self._consumer = {**self._base, **(properties or {})}
        self.admin = AdminClient(self._base)

    def create_topic(self, topic: str) -> None:
        self.admin.create_topics([NewTopic(topic, -1, -1)])[topic].result(30)

    def producer(self, **more: Any) -> Producer:
        return Producer({**self._base, **more})

    def produce(self, topic: str, *values: bytes) -> None:
        producer = self.producer()
        for value in values:
            producer.produce(topic, value)
        assert producer.flush(30) == 0

    def read(self, topic: str, count: int, *, group: str = "readers", **more: Any) -> list[bytes]:
        """Return `count` values of the topic as a new member of the group sees them, sorted.

        Raises KafkaException when the broker refuses the member.
        """
        properties = {**self._consumer, "group.id": group, "auto.offset.reset": "earliest", **more}
        values: list[bytes] = []
        deadline = time.monotonic() + DEADLINE_SECONDS
        with Consumer(properties) as consumer:
            consumer.subscribe([topic])
            while len(values) < count:
                assert time.monotonic() < deadline, f"{len(values)} of {count} records came"
                message = consumer.poll(0.2)
                if message is None:
                    continue
                if error := message.error():
                    raise KafkaException(error)
                values.append(message.value() or b"")
        return sorted(values)
