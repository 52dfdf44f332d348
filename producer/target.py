"""Where one source publishes, and the librdkafka properties of its transactional producer."""

import os
import secrets
import socket
from dataclasses import dataclass
from typing import Any

from runtime.kafka import client_properties
from runtime.settings import Settings

# A transaction is produced and committed without a pause. One that stays open for so long has lost its
# process or its broker; until the broker ends it, nobody sees what stands behind it.
TRANSACTION_SECONDS = 30
# A message that librdkafka lets pass must fit the topic with the header of the batch around it.
_BATCH_HEADER = 512
_LEAST_MESSAGE_BYTES = 1000
# In a container that is started again, host and process id are those of its former life.
_LIFE = secrets.token_hex(2)
# Headers of a dead letter.
_HEADER_BYTES = 16 * 1024


@dataclass(frozen=True)
class Target:
    """Where one source publishes. `topic_bytes` is the longest message that both of its topics take.

    `transactional_id` names the source to the broker: a new producer of it fences the one before.
    """

    source: str
    topic: str
    dead_letter_topic: str
    cursors_topic: str
    ledger_topic: str
    transactional_id: str
    topic_bytes: int

    @property
    def max_message_bytes(self) -> int:
        """Bytes of key and value of one message, at most."""
        return max(_LEAST_MESSAGE_BYTES, self.topic_bytes - _BATCH_HEADER)

    @property
    def max_letter_bytes(self) -> int:
        """How long a dead letter's value may be, leaving room for its headers."""
        return max(_LEAST_MESSAGE_BYTES // 2, self.topic_bytes - _HEADER_BYTES)

    @property
    def topics(self) -> tuple[str, str]:
        """The source's own two topics."""
        return self.topic, self.dead_letter_topic


def writer_name() -> str:
    """Who writes: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def process_name() -> str:
    """Who runs sources: host, process id, and what tells it from one before of the same two."""
    return f"{writer_name()}-{_LIFE}"


def producer_properties(settings: Settings, target: Target) -> dict[str, Any]:
    """librdkafka properties of a source's producer; a person's own linger and compression are kept."""
    preferred = {"linger.ms": 20, "compression.type": "lz4"}
    chosen = settings.kafka.properties
    limits = settings.producer
    return client_properties(
        settings.kafka,
        **{name: value for name, value in preferred.items() if name not in chosen},
        **{
            "transactional.id": target.transactional_id,
            "transaction.timeout.ms": TRANSACTION_SECONDS * 1000,
            "partitioner": "murmur2_random",
            # A whole checkpoint, its last slice and its dead letters.
            "queue.buffering.max.messages": 2 * limits.checkpoint_records + limits.slice_records,
            "queue.buffering.max.kbytes": 2 * limits.checkpoint_bytes // 1024 + 64 * 1024,
            "message.max.bytes": target.max_message_bytes,
            # The commit vouches for every message: reports are only read for the reason of a refusal.
            "delivery.report.only.error": True,
        },
    )
