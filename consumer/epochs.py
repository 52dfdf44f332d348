"""Which life of a topic an offset belongs to: a pure function of the topic id, asked from the broker.

A topic that was deleted and made again has another id, hence another epoch: its offset 0 is another row.
"""

import base64
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from consumer.errors import BrokerAwayError

TIMEOUT = 15.0


@dataclass(frozen=True)
class TopicId:
    """A topic's id as Kafka prints it, and the number made of it."""

    text: str
    epoch: int


class Epochs:
    """Asks for topic ids."""

    def __init__(self, admin: AdminClient, timeout: float = TIMEOUT) -> None:
        self._admin = admin
        self._timeout = timeout

    def of(self, topics: Collection[str]) -> Mapping[str, TopicId]:
        """The ids of `topics`; those that do not exist are left out. Raises BrokerAwayError."""
        if not topics:
            return {}
        asked = self._admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=self._timeout)
        found = {}
        for topic, future in asked.items():
            try:
                found[topic] = _topic_id(future.result(timeout=self._timeout).topic_id)
            except KafkaException as exc:
                if exc.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise BrokerAwayError(
                        f"the broker did not describe {topic}: {exc.args[0].str()}"
                    ) from exc
            except TimeoutError as exc:
                raise BrokerAwayError(f"the broker did not describe {topic} in {self._timeout} s") from exc
        return found


def _topic_id(topic_id: Any) -> TopicId:
    # Uuid's own text has '+' and '/', where Kafka's tools and logs print '-' and '_'.
    first, last = topic_id.get_most_significant_bits(), topic_id.get_least_significant_bits()
    text = base64.urlsafe_b64encode(struct.pack(">qq", first, last)).rstrip(b"=").decode()
    return TopicId(text, first % (1 << 64))
