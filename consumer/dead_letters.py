"""Records that cannot be loaded: their original bytes, and why, in `<topic>.dlq`.

A letter counts as written when the broker has acknowledged it; only then may the record's offset be
committed. What stands in a letter is for `letters`.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumer import metrics
from consumer.errors import BrokerAwayError, ConsumerError, TopicStoppedError
from consumer.letters import Letter
from schemas.names import Names

TIMEOUT = 30.0
# The original may be as large as its topic allows, and the headers come on top.
MAX_BYTES = 64 * 1024 * 1024
_TOPIC_CONFIG = {"retention.ms": "-1", "max.message.bytes": str(MAX_BYTES)}

_log = structlog.get_logger(__name__)


class DeadLetters:
    """Writes letters, a context manager. For several threads."""

    def __init__(
        self,
        properties: Mapping[str, Any],
        admin: AdminClient,
        names: Names,
        *,
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._properties = {**properties, "enable.idempotence": True, "message.max.bytes": MAX_BYTES}
        self._admin = admin
        self._names = names
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._known: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nothing is under way: send() returns when all is acknowledged.
        self._producer = None

    def send(self, letters: Sequence[Letter]) -> None:
        """Write all letters; returns when every one is acknowledged.

        Raises BrokerAwayError when they are not in time (then all are sent again: a letter may be there
        twice, its coordinates tell), TopicStoppedError when the broker refuses one.
        """
        if not letters:
            return
        with self._lock:
            topics = {self._names.dead_letter_topic(letter.topic) for letter in letters}
            for topic in topics:
                self._ensure_topic(topic)
            try:
                self._deliver(letters)
            except ConsumerError:
                # It may have been deleted: made again before the next attempt.
                self._known -= topics
                raise
        for letter in letters:
            metrics.DEAD_LETTERS.labels(letter.topic, letter.reason).inc()
        first = letters[0]
        _log.warning(
            "dead_letters_written",
            topic=first.topic,
            count=len(letters),
            first_partition=first.partition,
            first_offset=first.offset,
            reason=first.reason,
            error=first.error,
        )

    def _deliver(self, letters: Sequence[Letter]) -> None:
        producer = self._producer = self._producer or Producer(self._properties)
        failed: list[KafkaError] = []
        waiting = len(letters)

        def delivered(error: KafkaError | None, _message: object) -> None:
            nonlocal waiting
            waiting -= 1
            if error is not None:
                failed.append(error)

        deadline = self._clock() + self._timeout
        for letter in letters:
            self._produce(producer, letter, delivered, deadline)
        while waiting and self._clock() < deadline:
            producer.poll(0.1)
        if failed or waiting:
            # A new producer, so that nothing of this attempt comes late.
            producer.purge()
            self._producer = None
            raise _failure(letters[0].topic, failed)

    def _produce(
        self, producer: Producer, letter: Letter, delivered: Callable[..., None], deadline: float
    ) -> None:
        topic = self._names.dead_letter_topic(letter.topic)
        while True:
            try:
                producer.produce(
                    topic, letter.value, letter.key, on_delivery=delivered, headers=letter.all_headers()
                )
            except BufferError:
                if self._clock() > deadline:
                    raise BrokerAwayError(
                        f"{topic} takes no dead letters, its producer's queue is full"
                    ) from None
                producer.poll(0.1)
            except KafkaException as exc:
                self._producer = None
                raise _failure(letter.topic, [exc.args[0]]) from exc
            else:
                return

    def _ensure_topic(self, topic: str) -> None:
        if topic in self._known:
            return
        wanted = NewTopic(topic, num_partitions=-1, replication_factor=-1, config=_TOPIC_CONFIG)
        created = self._admin.create_topics([wanted], request_timeout=self._timeout)
        try:
            created[topic].result(timeout=self._timeout)
            _log.info("dead_letter_topic_created", topic=topic)
        except TimeoutError as exc:
            raise BrokerAwayError(f"the topic {topic} was not created within {self._timeout} s") from exc
        except KafkaException as exc:
            if exc.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise _failure(topic, [exc.args[0]]) from exc
        self._known.add(topic)


_REFUSED = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.INVALID_RECORD,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_EXCEPTION,
    }
)


def _failure(topic: str, errors: Sequence[KafkaError]) -> BrokerAwayError | TopicStoppedError:
    refused = next((error for error in errors if error.code() in _REFUSED), None)
    if refused is not None:
        return TopicStoppedError(
            f"The broker refuses dead letters of {topic}: {refused.str()}. A record that can neither be "
            "loaded nor dead-lettered is not skipped; let this user write to the dead letter topic, or raise "
            "that topic's max.message.bytes."
        )
    said = errors[0].str() if errors else "no acknowledgement in time"
    return BrokerAwayError(f"dead letters of {topic} were not written: {said}")
