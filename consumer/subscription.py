"""The Kafka consumer of the loader: which topics, from where, how much is fetched ahead.

Leaves what is done with the partitions to `rebalancing` and with the records to `loader`.
"""

from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from runtime.kafka import client_properties
from runtime.settings import Settings

# librdkafka's own fetch.queue.backoff.ms of a second makes it sleep whenever its queue is full. Larger
# fetches and queues are no faster, but each costs its decompressed size several times over.
_FETCH: dict[str, Any] = {
    "fetch.queue.backoff.ms": 5,
    "queued.min.messages": 5000,
    "max.partition.fetch.bytes": 128 << 10,
    "fetch.wait.max.ms": 100,
}
_PREFETCH_SHARE = 4
_REFRESH = "topic.metadata.refresh.interval.ms"

CommitCallback = Callable[[KafkaError | None, list[TopicPartition]], None]


def consumer_properties(settings: Settings, **own: Any) -> dict[str, Any]:
    """Properties of any reader of source topics, with the fetch settings that a person did not choose."""
    chosen = settings.kafka.properties
    prefetch = max(1024, settings.consumer.memory_bytes // _PREFETCH_SHARE // 1024)
    fetch = {**_FETCH, "queued.max.messages.kbytes": prefetch}
    fetch = {name: value for name, value in fetch.items() if name not in chosen}
    return client_properties(
        settings.kafka,
        **{
            **fetch,
            "group.id": settings.consumer.group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "allow.auto.create.topics": False,
            **own,
        },
    )


def open_consumer(
    settings: Settings, *, on_commit: CommitCallback, on_error: Callable[[KafkaError], None]
) -> Consumer:
    """A member of the loaders' group, not subscribed yet."""
    refresh = {} if _REFRESH in settings.kafka.properties else {_REFRESH: _milliseconds(settings)}
    return Consumer(
        consumer_properties(
            settings,
            **{
                # A gap must be seen, not jumped over: where to start is always said explicitly.
                "auto.offset.reset": "error",
                "partition.assignment.strategy": "cooperative-sticky",
                **refresh,
                "on_commit": on_commit,
                "error_cb": on_error,
            },
        )
    )


def _milliseconds(settings: Settings) -> int:
    return max(100, int(settings.consumer.discovery_seconds * 1000))
