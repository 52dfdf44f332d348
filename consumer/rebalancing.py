"""Partitions come and go: where a new one starts, what must be done before one is let go.

Called by librdkafka within consume(), in the consuming thread. Works for classic cooperative groups and for
KIP-848 alike.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from consumer.assignment import Assigned, Assignment
from consumer.epochs import Epochs, TopicId
from consumer.errors import BrokerAwayError
from runtime.stopping import Deadline

LOOK_UP_SECONDS = 10.0
LOOK_UP_ATTEMPTS = 3
_log = structlog.get_logger(__name__)

# Finishes or abandons what is unfinished of some partitions, and commits them, within a deadline.
Release = Callable[[list[Assigned], Deadline], None]


class Rebalancing:
    """The callbacks of one subscription. `release_seconds` is how long a group waits for us to let go."""

    def __init__(
        self, assignment: Assignment, epochs: Epochs, release: Release, release_seconds: float
    ) -> None:
        self._assignment = assignment
        self._epochs = epochs
        self._release = release
        self._release_seconds = release_seconds

    def on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Take partitions: from the committed offset, or explicitly from the beginning.

        Raises BrokerAwayError when the broker does not say where; the consumer is then opened anew.
        """
        if not partitions:
            consumer.incremental_assign([])
            return
        committed, ids = self._look_up(consumer, partitions)
        starts = []
        for offset in committed:
            topic_id = ids[offset.topic]
            start = _start(offset, topic_id)
            self._assignment.add(Assigned(offset.topic, offset.partition, topic_id))
            starts.append(TopicPartition(offset.topic, offset.partition, start))
        consumer.incremental_assign(starts)
        _log.info("partitions_assigned", partitions=_names(starts), owned=len(self._assignment))

    def on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Let partitions go: their batches are finished or given up, and committed first."""
        gone = self._ours(partitions)
        self._release(gone, Deadline(self._release_seconds))
        self._assignment.remove(gone)
        _log.info("partitions_revoked", partitions=_names(partitions), owned=len(self._assignment))

    def on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """They are somebody else's already: nothing may be committed any more."""
        self._assignment.remove(self._ours(partitions))
        _log.warning("partitions_lost", partitions=_names(partitions), owned=len(self._assignment))

    def _ours(self, partitions: Sequence[TopicPartition]) -> list[Assigned]:
        found = (self._assignment.get(one.topic, one.partition) for one in partitions)
        return [assigned for assigned in found if assigned is not None]

    def _look_up(
        self, consumer: Consumer, partitions: list[TopicPartition]
    ) -> tuple[list[TopicPartition], Mapping[str, TopicId]]:
        for attempt in range(1, LOOK_UP_ATTEMPTS + 1):
            try:
                committed = consumer.committed(partitions, timeout=LOOK_UP_SECONDS)
                failed = next((one.error for one in committed if one.error is not None), None)
                if failed is not None:
                    raise KafkaException(failed)
                return committed, self._ids({one.topic for one in partitions})
            except (KafkaException, BrokerAwayError) as exc:
                _log.warning("assignment_look_up_failed", attempt=attempt, error=str(exc))
                error = exc
                time.sleep(0.5)
        raise BrokerAwayError(f"the broker did not say where partitions were committed: {error}") from error

    def _ids(self, topics: set[str]) -> Mapping[str, TopicId]:
        """The ids of all topics. One that is given to us exists, or did so a moment ago.

        The broker that was asked may not know yet of a topic made just now. Taken without its id, its records
        would be read and dropped until partitions move again.
        """
        ids = self._epochs.of(topics)
        if unknown := sorted(topics - ids.keys()):
            raise BrokerAwayError(f"it does not know (yet, or any more) {', '.join(unknown)}")
        return ids


def _start(committed: TopicPartition, topic_id: TopicId) -> int:
    if committed.offset < 0:
        _log.info("first_start", topic=committed.topic, partition=committed.partition)
        return OFFSET_BEGINNING
    known = _committed_topic_id(committed.metadata)
    if known and known != topic_id.text:
        _log.warning(
            "topic_recreated",
            topic=committed.topic,
            partition=committed.partition,
            was=known,
            now=topic_id.text,
            then="from its beginning; rows of the former topic stay",
        )
        return OFFSET_BEGINNING
    return committed.offset


def _committed_topic_id(metadata: str | None) -> str:
    """The topic id in a commit of ours; stock tools and some brokers leave none."""
    try:
        found = json.loads(metadata or "{}")
    except ValueError:
        return ""
    return str(found.get("topic_id", "")) if isinstance(found, dict) else ""


def _names(partitions: Sequence[TopicPartition]) -> list[str]:
    return [f"{one.topic}[{one.partition}]" for one in partitions]
