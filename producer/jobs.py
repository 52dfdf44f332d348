"""The jobs topic: what asks for runs, one record per job, compacted; a job that is over is a tombstone (P9).

A source's pause is such a record, too: whoever runs the source reads it with its jobs. Writes only; the owner
of a partition reads it as a member of the group (see `fleet`).
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

import structlog
from confluent_kafka import Message
from pydantic import ValidationError

from producer.compacted import CompactedTopic, Delivery, shortened
from producer.partitioning import partition_of
from schemas.records import JobPayload, Pause

Request = JobPayload | Pause
# No job has such an id: those are letters and digits, or chosen by who writes them.
_PAUSE = "pause/"
_MOVE_SECONDS = 5.0
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
        *,
        hide: Callable[[str], str] = lambda text: text,
    ) -> None:
        """`job_keys` say by source what its jobs are placed by; `partitions` answers how many the topic has,
        and is asked once; `hide` takes secrets out of a text.
        """
        self._hide = hide
        self.topic = topic
        self._job_keys = job_keys
        self._partitions = cache(partitions)
        self._placed: dict[str, int] = {}
        self._records = CompactedTopic(properties, topic)
        self.flush = self._records.flush

    def partition(self, source: str) -> int:
        """The partition in which the jobs of `source` are."""
        if source in self._placed:
            return self._placed[source]
        return partition_of(self._job_keys.get(source, source).encode(), self._partitions())

    def place(self, source: str, partition: int) -> None:
        """The jobs of `source` are there, by the word of who runs it."""
        self._placed[source] = partition

    def keep(self, job: Request) -> Delivery:
        """Write the job, or the pause, as it is now."""
        if isinstance(job, JobPayload) and job.reason is not None:
            # An error may quote a request's secrets, and an answer that is longer than the topic takes.
            job = job.model_copy(update={"reason": shortened(self._hide(job.reason))})
        value = job.model_dump_json(exclude_none=True).encode()
        return self._records.put(key_of(job), value, partition=self.partition(job.source))

    def move(self, requests: Collection[Request], former: int) -> None:
        """Bring them to where their sources' jobs are now. What is not acknowledged there stays here, too."""
        moved = [(request, self.keep(request)) for request in requests]
        self.flush(_MOVE_SECONDS)
        for request, delivery in moved:
            if delivery.acknowledged:
                self._records.put(key_of(request), None, partition=former)

    def drop(self, job: Request, partition: int | None = None) -> Delivery:
        """Write that the job, or the pause, is over; in its source's partition, or in another one."""
        place = self.partition(job.source) if partition is None else partition
        return self._records.put(key_of(job), None, partition=place)


def key_of(request: Request) -> str:
    """The key of its record."""
    return f"{_PAUSE}{request.source}" if isinstance(request, Pause) else request.job_id


def paused_source(key: str) -> str | None:
    """The source that a pause with this key is about; None for the key of a job."""
    return key.removeprefix(_PAUSE) if key.startswith(_PAUSE) else None


def parse_request(message: Message) -> Request | None:
    """The job or pause of a record; None for one that nobody of us wrote."""
    key = (message.key() or b"").decode(errors="replace")
    model: type[Request] = JobPayload if paused_source(key) is None else Pause
    try:
        request = model.model_validate_json(message.value() or b"")
    except ValidationError as exc:
        why = exc.errors(include_url=False, include_input=False)[0]["msg"]
        _log.error("job_unreadable", partition=message.partition(), offset=message.offset(), why=why)
        return None
    if key_of(request) != key:
        _log.error("job_unreadable", partition=message.partition(), offset=message.offset(), why="key")
        return None
    return request
