"""Whether a broker's transactions hold: where they do not, a crash matrix passes and shows nothing."""

import secrets
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from runtime.topic_reader import read_to_end

SECONDS = 30.0


def hides_aborted(properties: Mapping[str, Any]) -> bool:
    """Whether a read_committed reader is spared what was aborted; the topic for it is deleted again."""
    topic = f"crashes-{secrets.token_hex(4)}"
    admin = AdminClient(dict(properties))
    admin.create_topics([NewTopic(topic, 1)])[topic].result(SECONDS)
    try:
        _abort(Producer({**properties, "transactional.id": topic}), topic)
        return not list(read_to_end(properties, topic, must_exist=True, timeout=SECONDS))
    finally:
        admin.delete_topics([topic])[topic].result(SECONDS)


def _abort(producer: Producer, topic: str) -> None:
    producer.init_transactions(SECONDS)
    producer.begin_transaction()
    producer.produce(topic, b"aborted")
    producer.flush(SECONDS)
    producer.abort_transaction(SECONDS)
