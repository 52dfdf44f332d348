"""The jobs topic: what asks for runs, one record per job, compacted; a job that is over is a tombstone (P9).

Writes only; the owner of a partition reads it as a member of the group (see `fleet`).
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from pydantic import ValidationError

from producer.partitioning import partition_of
from schemas.records import JobPayload

_log = structlog.get_logger(__name__)


class JobsTopic:
    """Writes jobs; implements the scheduler's Journal. Safe to use from several threads.

    Nothing waits for an acknowledgement: a write that is lost leaves the job as it was before, or a tick to
    be found by the clock; a job whose tombstone is lost is known by its source's position.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        topic: str,
        job_keys: Mapping[str, str],
        partitions: Callable[[], int],
    ) -> None:
        """`job_keys` say by source what its jobs are placed by; `partitions` answers how many the topic has,
        and is asked once.
        """
        self.topic = topic
        self._properties = dict(properties)
        self._job_keys = job_keys
        self._partitions = cache(partitions)
        self._producer = cache(self._open)

    def partition(self, source: str) -> int:
        """The partition in which the jobs of `source` are."""
        return partition_of(self._job_keys.get(source, source).encode(), self._partitions())

    def keep(self, job: JobPayload) -> None:
        """Write the job as it is now."""
        self._produce(job, job.model_dump_json(exclude_none=True).encode())

    def drop(self, job: JobPayload) -> None:
        """Write that the job is over."""
        self._produce(job, None)

    def flush(self, seconds: float) -> bool:
        """Wait until all is acknowledged; False if that took too long."""
        return self._producer().flush(seconds) == 0

    def _produce(self, job: JobPayload, value: bytes | None) -> None:
        try:
            producer = self._producer()
            producer.produce(
                self.topic, value, job.job_id, partition=self.partition(job.source), on_delivery=_told
            )
            producer.poll(0)
        except (KafkaException, BufferError) as exc:
            _log.warning("job_not_written", source=job.source, job_id=job.job_id, error=str(exc))

    def _open(self) -> Producer:
        return Producer({**self._properties, "enable.idempotence": True, "acks": "all", "linger.ms": 0})


def parse_job(message: Message) -> JobPayload | None:
    """The job of a record; None for one that nobody of us wrote."""
    try:
        job = JobPayload.model_validate_json(message.value() or b"")
    except ValidationError as exc:
        why = exc.errors(include_url=False, include_input=False)[0]["msg"]
        _log.error("job_unreadable", partition=message.partition(), offset=message.offset(), why=why)
        return None
    if job.job_id.encode() != message.key():
        _log.error("job_unreadable", partition=message.partition(), offset=message.offset(), why="key")
        return None
    return job


def _told(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        key = (message.key() or b"").decode(errors="replace")
        _log.warning("job_not_written", job_id=key, error=error.str())
