"""One life of the Kafka consumer: from joining the group to leaving it."""

import time
from collections.abc import Callable
from types import TracebackType

import structlog
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.assignment import Assignment
from consumer.batches import Batches, Limits
from consumer.commits import Commits
from consumer.epochs import Epochs
from consumer.joining import Joining
from consumer.loader import Loader
from consumer.patience import returns_within
from consumer.rebalancing import Rebalancing
from consumer.subscription import open_consumer
from consumer.workers import Workers
from runtime.settings import Settings
from schemas.names import Names

# The rest of the group waits for us to let partitions go; half a minute is what a rolling restart would feel.
RELEASE_SECONDS = 10.0
# For leaving the group.
CLOSE_SECONDS = 4.0
_BATCHES_IN_MEMORY = 4
_SAY_AGAIN = 60.0
_log = structlog.get_logger(__name__)


class Session:
    """A context manager: entering subscribes and returns the loader, leaving leaves the group.

    Batches that `workers` still hold afterwards are abandoned: their partitions are not ours any more.
    """

    def __init__(
        self,
        settings: Settings,
        names: Names,
        admin: AdminClient,
        workers: Workers,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names = names
        self._clock = clock
        self._said_at = -_SAY_AGAIN
        self._servers = settings.kafka.bootstrap_servers
        self._assignment = Assignment()
        commits = Commits(self._assignment)
        consumer = open_consumer(settings, on_commit=commits.on_commit, on_error=self._on_error)
        limits = settings.consumer
        self._consumer = consumer
        batches = Batches(
            self._assignment,
            # A batch is sealed long before it fills the memory, so that inserting and reading overlap.
            Limits(
                rows=limits.batch_rows,
                bytes=limits.batch_bytes,
                memory=limits.memory_bytes // _BATCHES_IN_MEMORY,
                seconds=limits.batch_seconds,
            ),
            clock=clock,
        )
        self.loader = Loader(
            consumer, self._assignment, batches, workers, commits, limits.memory_bytes, clock=clock
        )
        self._joining = Joining(settings.kafka, admin, names.source_topics)
        self._rebalancing = Rebalancing(self._assignment, Epochs(admin), self.loader.release, RELEASE_SECONDS)

    def __enter__(self) -> Loader:
        self._consumer.subscribe(
            [self._names.source_topics],
            on_assign=self._on_assign,
            on_revoke=self._rebalancing.on_revoke,
            on_lost=self._rebalancing.on_lost,
        )
        self._joining.begin()
        return self.loader

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._joining.end()
        # After an error nothing is finished or committed any more; drain() has done that otherwise.
        self._assignment.remove(self._assignment)
        # It waits for the answers to all commits that are under way, for minutes if nobody gives them.
        if not returns_within(CLOSE_SECONDS, self._consumer.close, "leave-group"):
            _log.warning(
                "left_without_goodbye", then="the group misses this loader after its session time-out"
            )

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._joining.end()
        self._rebalancing.on_assign(consumer, partitions)
        self.loader.hold_new(partitions)

    def _on_error(self, error: KafkaError) -> None:
        """librdkafka mends connections by itself; a person only has to know what is waited for."""
        now = self._clock()
        if error.code() == KafkaError._ALL_BROKERS_DOWN and now - self._said_at >= _SAY_AGAIN:  # noqa: SLF001
            self._said_at = now
            _log.warning("waiting", waiting_for=f"broker at {self._servers}: {error.str()}")
