"""The consuming thread: takes records in, hands batches to the workers, commits what they have finished.

It never waits for ClickHouse, so the group keeps us whatever happens there. What a batch needs is in
`loading`, how partitions come and go in `rebalancing`.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from consumer import metrics
from consumer.assignment import NOWHERE, Assigned, Assignment
from consumer.backpressure import Backpressure
from consumer.batches import Batches
from consumer.commits import Commits
from consumer.workers import Workers
from runtime.stopping import Deadline

POLL_SECONDS = 0.1
# Messages taken at a time: enough to be cheap, few enough to stay in the processor's cache.
CHUNK_MESSAGES = 2000
CHUNK_BYTES = 8 << 20
# How long the consumer waits for inserts before it pauses a topic that is ahead; a rebalance waits with it.
PATIENCE = 2.0
# A commit gets so long also where the inserts have used up the time.
COMMIT_SECONDS = 1.0
_LAG_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class Loader:
    """Loads what one consumer is given. `step` is one round; a context of its own is not needed."""

    def __init__(
        self,
        consumer: Consumer,
        assignment: Assignment,
        batches: Batches,
        workers: Workers,
        commits: Commits,
        memory_bytes: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        self.assignment = assignment
        self._batches = batches
        self._workers = workers
        self._commits = commits
        self._backpressure = Backpressure(assignment, memory_bytes, self._held)
        self._clock = clock
        self._chunk = 500
        self._lag_due = 0.0
        self._measured: set[tuple[str, int]] = set()
        self.beat = clock()

    @property
    def paused(self) -> frozenset[str]:
        """Topics from which nothing is fetched now; for any thread."""
        return self._backpressure.paused

    def run(self, stopping: threading.Event) -> None:
        """Load until asked to stop. Raises KafkaException when librdkafka has given up."""
        while not stopping.is_set():
            self.step()

    def step(self) -> None:
        """Consume once, seal what is due, commit what is done."""
        self.beat = self._clock()
        wanted = self._chunk
        messages = self._consumer.consume(wanted, timeout=POLL_SECONDS)
        if messages:
            self._take(messages)
        for batch in self._batches.sealed(idle=len(messages) < wanted):
            self._workers.submit(batch)
        self._collect()
        self._make_room()
        self._backpressure.resume(self._consumer)
        if self._clock() >= self._lag_due:
            self._lag_due = self._clock() + _LAG_SECONDS
            self._commits.commit(self._consumer)
            self._measure_lag()

    def release(self, partitions: list[Assigned], deadline: Deadline) -> None:
        """Finish what is unfinished of these within the deadline, or give it up; commit what is safe.

        Topics that wait for a server or a person are given up at once: others wait for us.
        """
        for batch in self._batches.seal(partitions):
            self._workers.submit(batch)
        while self._getting_on(partitions) and not deadline.expired:
            for batch in self._workers.finished(min(0.1, deadline.remaining())):
                batch.finish()
        abandoned = [assigned.key for assigned in partitions if assigned.unfinished]
        if abandoned:
            _log.warning("batches_given_up", partitions=abandoned, then="whoever is next loads them")
        self._commits.commit_and_wait(self._consumer, partitions, max(COMMIT_SECONDS, deadline.remaining()))

    def _getting_on(self, partitions: list[Assigned]) -> bool:
        """Whether anything of these is still worth waiting for."""
        return any(one.unfinished and not self._workers.stuck(one.topic) for one in partitions)

    def hold_new(self, partitions: Sequence[TopicPartition]) -> None:
        """Partitions that came to a paused topic do not flow either."""
        found = (self.assignment.get(one.topic, one.partition) for one in partitions)
        self._backpressure.hold_new(self._consumer, [one for one in found if one is not None])

    def drain(self, deadline: Deadline) -> None:
        """Take nothing more, finish what there is within the deadline, commit, and own nothing afterwards."""
        owned = list(self.assignment)
        self.release(owned, deadline)
        self.assignment.remove(owned)

    def _take(self, messages: Sequence[Message]) -> None:
        if any(map(Message.error, messages)):
            events = [message for message in messages if message.error() is not None]
            messages = [message for message in messages if message.error() is None]
            for event in events:
                self._handle(event)
            if not messages:
                return
        self._batches.take(messages)
        # Large messages in smaller chunks, so that one chunk never holds much more than CHUNK_BYTES.
        average = sum(map(len, messages)) // len(messages) + 1
        self._chunk = max(1, min(CHUNK_MESSAGES, CHUNK_BYTES // average))

    def _collect(self, timeout: float = 0.0) -> None:
        """Note what the workers have finished, and commit it."""
        finished = self._workers.finished(timeout)
        for batch in finished:
            batch.finish()
        if finished:
            self._commits.commit(self._consumer)

    def _make_room(self) -> None:
        """Wait a little for inserts while too much is unloaded; then pause the topics that hold it."""
        patience = Deadline(PATIENCE, self._clock)
        while over := self._backpressure.over():
            if patience.expired:
                for topic in over:
                    self._backpressure.pause(self._consumer, topic)
                return
            self._collect(patience.remaining())

    def _held(self, topic: str) -> int:
        return self._workers.held_memory(topic) + self._batches.open_memory(topic)

    def _handle(self, event: Message) -> None:
        """An error that librdkafka reports in place of a record."""
        error = event.error()
        assert error is not None
        if error.fatal():
            raise KafkaException(error)
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's public name
            self._stand_still(event, error)
        else:
            _log.warning("kafka_error", error=error.str(), topic=event.topic(), partition=event.partition())

    def _stand_still(self, event: Message, error: KafkaError) -> None:
        assigned = self.assignment.get(event.topic() or "", event.partition() or 0)
        if assigned is None:
            return
        assigned.stopped = error.str()
        self._consumer.pause([TopicPartition(assigned.topic, assigned.partition)])
        metrics.STOPPED.labels(assigned.topic, assigned.partition).set(1)
        _log.error(
            "partition_stopped",
            topic=assigned.topic,
            partition=assigned.partition,
            error=assigned.stopped,
            why="the offset to go on from is not in the log any more; records in between were never loaded",
            then="set the group's offset of this partition where to go on, with all loaders stopped",
        )

    def _measure_lag(self) -> None:
        owned = list(self.assignment)
        asked = [TopicPartition(assigned.topic, assigned.partition) for assigned in owned]
        measured = set()
        for assigned, at in zip(owned, self._consumer.position(asked) if asked else [], strict=True):
            _low, high = self._consumer.get_watermark_offsets(at, cached=True)
            done = assigned.safe_offset(at.offset)
            if high >= 0 and done != NOWHERE:
                metrics.LAG.labels(*assigned.key).set(max(0, high - done))
                measured.add(assigned.key)
        for gone in self._measured - measured:
            # Another loader measures it now.
            metrics.LAG.remove(*gone)
        self._measured = measured
