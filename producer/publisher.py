"""One run's way into Kafka: idempotent, acknowledged, bounded.

A record counts as published when its delivery report says so, and a cursor is written only after everything
before it has been. Which records there are, and when a checkpoint is due, is the engine's.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from producer.cursors import Position
from producer.dead_letters import Letter
from producer.errors import ProducerError, PublishAbandonedError, PublisherFencedError, PublishFailedError
from producer.waiting import Waiting
from runtime.kafka import client_properties
from runtime.settings import Settings

_STEP = 0.1
_FENCED = frozenset(
    {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}  # noqa: SLF001 - public codes
)
# Payload bytes that wait in librdkafka, a run. Its default of 1 GiB would be no bound for large records.
_QUEUE_KBYTES = 64 * 1024
# A message that librdkafka lets pass must fit the topic with the header of the batch around it.
_BATCH_HEADER = 512
_LEAST_MESSAGE_BYTES = 1000


@dataclass(frozen=True)
class Target:
    """Where one source publishes; `max_message_bytes` is what both of its topics take."""

    source: str
    topic: str
    dead_letter_topic: str
    cursors_topic: str
    max_message_bytes: int

    @property
    def max_letter_bytes(self) -> int:
        """How long a dead letter's value may be, leaving room for its headers."""
        return max(_LEAST_MESSAGE_BYTES // 2, self.max_message_bytes - 16 * 1024)


def producer_properties(settings: Settings, target: Target) -> dict[str, Any]:
    """librdkafka properties of a run's producer; a person's own linger and compression are kept."""
    preferred = {"linger.ms": 20, "compression.type": "lz4", "queue.buffering.max.kbytes": _QUEUE_KBYTES}
    chosen = settings.kafka.properties
    return client_properties(
        settings.kafka,
        **{name: value for name, value in preferred.items() if name not in chosen},
        **{
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            # Never drop a record for its age: the buffer is bounded, and the generator waits.
            "message.timeout.ms": 0,
            "queue.buffering.max.messages": 2 * settings.producer.in_flight_records
            + settings.producer.slice_records,
            "message.max.bytes": max(_LEAST_MESSAGE_BYTES, target.max_message_bytes - _BATCH_HEADER),
            # confluent-kafka reads every report and calls Python for refusals only: a third less time a
            # record.
            "delivery.report.only.error": True,
        },
    )


class Publisher:
    """Publishes one run's records, dead letters and cursor. A context manager, used by one thread.

    `in_flight` bounds the unacknowledged messages; more make `publish` wait, and so the generator. While the
    broker is away every method waits, and says so, until it is back or `abandon` is set: then
    PublishAbandonedError. Any method raises PublishFailedError or PublisherFencedError once the broker has
    refused something for good.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        target: Target,
        *,
        in_flight: int,
        abandon: threading.Event,
        waiting: Waiting,
    ) -> None:
        self._properties = {**properties, "error_cb": self._on_error}
        self._target = target
        self._in_flight = in_flight
        self._abandon = abandon
        self._waiting = waiting
        self._sent = 0
        self._besides = 0
        self._acknowledged = 0
        self._published = 0
        self._refused: list[KafkaError] = []
        self._broker_says = "no answer"

    def __enter__(self) -> Self:
        self._producer = Producer(self._properties)
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.close()
        if len(self._producer):
            # Only after an error, which has already said that not everything was published.
            self._producer.purge()
        self._producer.close()

    @property
    def published(self) -> int:
        """Records the broker has acknowledged; while messages are on their way, at least so many."""
        return self._published

    def publish(self, messages: list[dict[str, Any]]) -> list[int]:
        """Hand over a slice ([{"key", "value"}]); returns the places of messages that are too large for the
        topic.

        Returns when all others are queued, which waits while more than `in_flight` are unacknowledged.
        """
        self._wait_until(lambda: len(self._producer) <= self._in_flight)
        pending, too_large = messages, False
        while pending:
            queued = self._call(self._queue, pending)
            self._sent += queued
            if queued == len(pending):
                break
            pending, holes = self._not_queued(pending, queued)
            too_large = too_large or holes
            if pending:
                self._step()
        self.poll()
        return [place for place, message in enumerate(messages) if "_error" in message] if too_large else []

    def dead_letter(self, letter: Letter) -> None:
        """Queue a dead letter."""
        self._produce(self._target.dead_letter_topic, letter.value, headers=letter.headers)

    def checkpoint(self, position: Position) -> None:
        """Return when everything published so far, and after it `position`, is acknowledged.

        This is the seam for transactions: what is published since the last checkpoint, and `position`, become
        one.
        """
        self.flush()
        key, value = position.message()
        self._produce(self._target.cursors_topic, value, key=key)
        self.flush()

    def flush(self) -> None:
        """Return when everything published so far is acknowledged."""
        self._wait_until(lambda: len(self._producer) == 0, flush=True)

    def poll(self) -> None:
        """Serve delivery reports without waiting."""
        self._call(self._producer.poll, 0)
        self._look()

    def _queue(self, messages: list[dict[str, Any]]) -> int:
        return self._producer.produce_batch(self._target.topic, messages, on_delivery=self._on_refused)

    def _not_queued(self, batch: list[dict[str, Any]], queued: int) -> tuple[list[dict[str, Any]], bool]:
        """The tail that found the queue full, ready to be sent again, and whether any message was too large.

        produce_batch raises neither for a full queue nor for a fatal error: each message says what became of
        it.
        """
        failed = [message for message in batch if "_error" in message]
        if queued + len(failed) != len(batch):
            raise PublishFailedError(
                f"{self._target.topic}: {len(batch) - queued} messages were not taken, without a reason"
            )
        tail = []
        for message in failed:
            code = message["_error"].code()
            if code == KafkaError._QUEUE_FULL:  # noqa: SLF001 - public code
                del message["_error"]
                tail.append(message)
            elif code != KafkaError.MSG_SIZE_TOO_LARGE:
                raise self._failure(message["_error"])
        return tail, len(tail) < len(failed)

    def _produce(
        self,
        topic: str,
        value: bytes,
        *,
        key: bytes | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        self._wait_until(lambda: len(self._producer) <= self._in_flight)
        while True:
            try:
                self._call(
                    self._producer.produce,
                    topic,
                    value,
                    key,
                    on_delivery=self._on_refused,
                    headers=headers or [],
                )
            except BufferError:
                self._step()
            else:
                self._sent += 1
                self._besides += 1
                return

    def _wait_until(self, done: Callable[[], bool], *, flush: bool = False) -> None:
        self._waiting.begin()
        while not done():
            self._step(flush=flush)
        self._look()

    def _step(self, *, flush: bool = False) -> None:
        # flush() sends at once what still lingers.
        self._call(self._producer.flush if flush else self._producer.poll, _STEP)
        self._look()
        if self._abandon.is_set() and len(self._producer):
            unacknowledged = self._sent - self._acknowledged
            raise PublishAbandonedError(
                f"{self._target.source}: stopped with {unacknowledged} messages unacknowledged "
                f"(broker: {self._broker_says}); the cursor has not moved past them"
            )

    def _look(self) -> None:
        """See what has been acknowledged or refused meanwhile."""
        if self._refused:
            raise self._failure(self._refused[0])
        outstanding = len(self._producer)
        # Events in the queue (a refused connection, say) count as outstanding too, so this is never too many.
        acknowledged = self._sent - outstanding
        if acknowledged > self._acknowledged:
            self._acknowledged = acknowledged
            self._published = max(self._published, acknowledged - self._besides)
            self._waiting.progress()
        elif outstanding:
            self._waiting.still(unacknowledged=outstanding, broker=self._broker_says)

    def _failure(self, error: KafkaError) -> ProducerError:
        if error.code() in _FENCED:
            return PublisherFencedError(
                f"{self._target.source}: a newer producer has taken over ({error.str()})"
            )
        return PublishFailedError(
            f"{self._target.topic}: the broker refused {max(1, len(self._refused))} messages: {error.str()} "
            f"({error.name()}). They are not published, the cursor has not moved."
        )

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except (KafkaException, SystemError) as exc:
            # A fatal error surfaces in poll and flush as SystemError with the KafkaException as its cause.
            cause = exc if isinstance(exc, KafkaException) else exc.__cause__
            if not isinstance(cause, KafkaException):
                raise
            raise self._failure(cause.args[0]) from exc

    def _on_refused(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._refused.append(error)

    def _on_error(self, error: KafkaError) -> None:
        self._broker_says = error.str()
