"""One transactional producer of a source: one epoch, in which transactions follow each other.

It knows begin, produce, commit, and what an error means. That a checkpoint is published once is the
publisher's, which also discards a producer after any doubt.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from producer.connection_log import DEBUG, ConnectionLog
from producer.errors import ProducerError, PublishAbandonedError, PublisherFencedError, PublishFailedError
from producer.target import Target
from producer.waiting import Waiting
from runtime.turns import quick_turns

_STEP = 0.1
# Longer than a broker takes for anything that works.
COMMIT_SECONDS = 15.0
_FENCED = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - librdkafka's public error codes
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    }
)
# What the broker will say again however often it is asked.
_REFUSED = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.INVALID_TRANSACTION_TIMEOUT,
    }
)


class DoubtError(ProducerError):
    """Nobody knows whether the transaction was committed; a new epoch settles it."""


class Transactions:
    """Carries out transactions one after another. Used by one thread.

    Raises PublisherFencedError when a newer producer of the source exists, PublishFailedError for what the
    broker will not take however often it is asked, PublishAbandonedError once `abandon` is set and nothing
    moves, and DoubtError for everything else.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        target: Target,
        *,
        abandon: threading.Event,
        waiting: Waiting,
        explain: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._abandon = abandon
        self._waiting = waiting
        self._clock = clock
        self._refused: list[KafkaError] = []
        self._reports = {"on_delivery": self._on_refused} if explain else {}
        self._timed_out = False
        self._began = 0.0
        self.broker_says = "no answer"
        self._connections = ConnectionLog(properties["logger"])
        own = {"error_cb": self._on_error, "logger": self._connections, "debug": DEBUG}
        self._producer = Producer({**properties, **own})

    @property
    def clean(self) -> bool:
        """False once anything has gone wrong with a connection: a late request may still be on its way."""
        return not self._connections.disturbed

    @property
    def open_for(self) -> float:
        """Seconds since the last transaction began."""
        return self._clock() - self._began

    def begin_epoch(self) -> None:
        """Fence whoever was there before; what it had not committed is aborted. Waits for the broker."""
        self._waiting.begin()
        while True:
            try:
                self._call(self._producer.init_transactions, 1.0)
            except DoubtError:
                self._check("a producer that cannot begin")
                if not self._timed_out:
                    self._call(self._producer.poll, _STEP)
            else:
                # What went wrong before the epoch began concerns nobody in it.
                self._call(self._producer.poll, 0)
                self._connections.disturbed = False
                self._waiting.progress()
                return

    def begin(self) -> None:
        """Begin a transaction."""
        self._refused.clear()
        self._began = self._clock()
        self._call(self._producer.begin_transaction)

    def produce_batch(self, messages: list[dict[str, Any]]) -> None:
        """Queue records."""
        while messages:
            taken = self._call(self._producer.produce_batch, self._target.topic, messages, **self._reports)
            messages = [] if taken == len(messages) else self._left(messages)
        # Frees what has been acknowledged; all at once, after the last one, costs more.
        self._call(self._producer.poll, 0)

    def flush(self) -> None:
        """Return when the broker has everything that was queued."""
        self._waiting.begin()
        with quick_turns():
            while len(self._producer):
                self._call(self._producer.flush, _STEP)
                self._check(f"{len(self._producer)} messages unacknowledged")
        self._look()

    def produce(
        self,
        topic: str,
        value: bytes,
        *,
        key: bytes | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Queue one message."""
        while True:
            try:
                self._call(
                    self._producer.produce,
                    topic,
                    value,
                    key,
                    **self._reports,
                    headers=headers or [],
                )
            except BufferError:
                self._step()
            else:
                return

    def commit(self) -> None:
        """Commit; when this returns, everything since `begin` can be read."""
        deadline = self._clock() + COMMIT_SECONDS
        while True:
            try:
                self._call(self._producer.commit_transaction, 1.0)
            except DoubtError:
                if self._refused or self._clock() >= deadline or not self._timed_out:
                    raise
                self._check("the commit unanswered")
            else:
                break
        # Serves what has happened meanwhile: `clean` must know it.
        self._call(self._producer.poll, 0)
        self._waiting.progress()

    def wait(self, why: str) -> None:
        """Wait a moment for something else that the broker has to do; PublishAbandonedError as elsewhere."""
        self._call(self._producer.poll, _STEP)
        self._check(why)

    def close(self) -> None:
        """Let go. What was not committed never will be: the next epoch aborts it."""
        # Not by its close(): that aborts first, and may wait for a broker that is not there.
        self._producer.purge()
        del self._producer

    def _left(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What found the queue full, ready to be sent again.

        produce_batch raises neither for that nor for a fatal error: each message says what became of it.
        """
        errors = [(message, message.pop("_error")) for message in batch if "_error" in message]
        for _, error in errors:
            if error.code() != KafkaError._QUEUE_FULL:  # noqa: SLF001 - public code
                raise self._failure(error)
        left = [message for message, _ in errors]
        if left:
            self._step()
        return left

    def _step(self) -> None:
        self._call(self._producer.poll, _STEP)
        self._check(f"{len(self._producer)} messages unacknowledged")

    def _check(self, what: str) -> None:
        """Raise what was refused, or that it is time to give up; else say what is waited for."""
        self._look()
        if self._abandon.is_set():
            raise PublishAbandonedError(
                f"{self._target.source}: stopped with {what} (broker: {self.broker_says}); "
                "the cursor has not moved"
            )
        self._waiting.still(state=what, broker=self.broker_says)

    def _look(self) -> None:
        if self._refused:
            raise self._failure(self._refused[0])

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self._timed_out = False
        try:
            return function(*arguments, **named)
        except (KafkaException, SystemError) as exc:
            # A fatal error surfaces in poll and flush as SystemError with the KafkaException as its cause.
            cause = exc if isinstance(exc, KafkaException) else exc.__cause__
            if not isinstance(cause, KafkaException):
                raise
            error = cause.args[0]
            self._timed_out = error.code() == KafkaError._TIMED_OUT and error.retriable()  # noqa: SLF001
            raise self._failure(error) from exc

    def _failure(self, error: KafkaError) -> ProducerError:
        what = f"{error.str()} ({error.name()})"
        if error.code() in _FENCED:
            return PublisherFencedError(f"{self._target.source}: a newer producer has taken over: {what}")
        if error.code() in _REFUSED:
            return PublishFailedError(
                f"{self._target.topic}: the broker refuses the records: {what}. None of the checkpoint is "
                "published, the cursor has not moved."
            )
        self.broker_says = what
        return DoubtError(f"{self._target.source}: {what}")

    def _on_refused(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._refused.append(error)

    def _on_error(self, error: KafkaError) -> None:
        self._connections.disturbed = True
        self.broker_says = error.str()
