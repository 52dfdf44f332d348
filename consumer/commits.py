"""Commits offsets: for each partition the lowest unfinished one, and only when it has moved."""

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.assignment import NOWHERE, Assigned, Assignment
from consumer.patience import returns_within

_log = structlog.get_logger(__name__)


class Commits:
    """Commits for one consumer. Used by the consuming thread only."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment

    def commit(self, consumer: Consumer) -> None:
        """Commit what has moved, without waiting for the broker; a failure is made good by the next one."""
        due = self._due(consumer, list(self._assignment))
        if due:
            consumer.commit(offsets=due, asynchronous=True)

    def commit_and_wait(self, consumer: Consumer, partitions: list[Assigned], seconds: float) -> None:
        """Commit these before they go, in `seconds` at most.

        A refusal or no answer is logged: whoever is next writes some rows again.
        """
        due = self._due(consumer, partitions)
        if due and not returns_within(seconds, lambda: self._commit_now(consumer, due), "commit"):
            self._refused(None, due)

    def _commit_now(self, consumer: Consumer, due: list[TopicPartition]) -> None:
        try:
            for result in consumer.commit(offsets=due, asynchronous=False):
                if result.error is not None:
                    self._refused(result.error, [result])
        except KafkaException as exc:
            self._refused(exc.args[0], due)

    def on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """What the broker said to a commit that was not waited for."""
        failed = [partition for partition in partitions if error is not None or partition.error is not None]
        if failed:
            self._refused(error or failed[0].error, failed)

    def _due(self, consumer: Consumer, partitions: list[Assigned]) -> list[TopicPartition]:
        """What to commit, noted as committed."""
        asked = [TopicPartition(assigned.topic, assigned.partition) for assigned in partitions]
        due = []
        for assigned, at in zip(partitions, consumer.position(asked) if asked else [], strict=True):
            offset = assigned.safe_offset(at.offset)
            if offset not in (NOWHERE, assigned.committed):
                assigned.committed = offset
                due.append(assigned.commit(offset))
        return due

    def _refused(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            assigned = self._assignment.get(partition.topic, partition.partition)
            if assigned is not None:
                assigned.committed = NOWHERE
        _log.warning(
            "commit_refused",
            error=error.str() if error else "the broker did not answer in time",
            partitions=[f"{partition.topic}[{partition.partition}]" for partition in partitions],
        )
