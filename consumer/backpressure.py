"""Keeps what is read and not yet loaded within its memory, topic by topic.

Whoever is ahead waits a moment for the inserts; a topic that does not get on at all is paused, so that the
others do, and so that the group keeps us while ClickHouse is away for an hour.
"""

from collections.abc import Callable, Mapping

import structlog
from confluent_kafka import Consumer, TopicPartition

from consumer import metrics
from consumer.assignment import Assigned, Assignment

_log = structlog.get_logger(__name__)


class Backpressure:
    """Pauses and resumes topics of one consumer. Used by the consuming thread only."""

    def __init__(
        self,
        assignment: Assignment,
        memory_bytes: int,
        held: Callable[[str], int],
    ) -> None:
        self._assignment = assignment
        # The other half is librdkafka's queue, and what a paused topic held before the next one came.
        self._memory = memory_bytes // 2
        self._held = held
        # What each paused topic held when it was paused.
        self._paused: dict[str, int] = {}

    @property
    def paused(self) -> frozenset[str]:
        """Topics from which nothing is fetched now."""
        return frozenset(self._paused)

    def over(self) -> list[str]:
        """Topics that hold more than their share while all together hold too much, and are not paused."""
        held = self._by_topic()
        metrics.UNLOADED.set(sum(held.values()))
        if sum(held.values()) <= self._memory:
            return []
        share = self._share(held)
        return [topic for topic, size in held.items() if size > share and topic not in self._paused]

    def pause(self, consumer: Consumer, topic: str) -> None:
        """Fetch nothing more of the topic for now."""
        held = self._paused[topic] = self._held(topic)
        consumer.pause(_partitions(self._assignment.of_topic(topic)))
        metrics.PAUSED.labels(topic).set(1)
        _log.warning("topic_paused", topic=topic, unloaded_bytes=held)

    def resume(self, consumer: Consumer) -> None:
        """Go on with topics that have got on, and hold half of their share at most.

        The share is the one by which they are paused: of all topics that hold something.
        """
        if not self._paused:
            return
        share = self._share(self._by_topic()) // 2
        for topic, before in list(self._paused.items()):
            size = self._held(topic)
            if size > share or size >= before > 0:
                continue
            del self._paused[topic]
            consumer.resume(_partitions(self._assignment.of_topic(topic)))
            metrics.PAUSED.labels(topic).set(0)
            _log.info("topic_resumed", topic=topic)

    def hold_new(self, consumer: Consumer, partitions: list[Assigned]) -> None:
        """Partitions that came to a paused topic do not flow either."""
        consumer.pause(_partitions([one for one in partitions if one.topic in self._paused]))

    def _by_topic(self) -> dict[str, int]:
        return {topic: self._held(topic) for topic in {assigned.topic for assigned in self._assignment}}

    def _share(self, held: Mapping[str, int]) -> int:
        return self._memory // max(1, sum(1 for size in held.values() if size))


def _partitions(assigned: list[Assigned]) -> list[TopicPartition]:
    return [TopicPartition(one.topic, one.partition) for one in assigned]
