"""The producer as it would be without transactions: what these cost is the difference.

Each record is sent at once by an idempotent producer and forgotten; a checkpoint's position and ledger entry
follow it, and nothing waits for anything until the run ends. A crash repeats records, so no daemon works so.
"""

from collections.abc import Callable, Mapping
from typing import Any, Self

from confluent_kafka import Producer

from producer.checkpoint import Checkpoint
from producer.positions import Ends, Position
from producer.publisher import Closing
from producer.target import Target

QUEUE = 40_000


class IdempotentPublisher:
    """Takes the place of `producer.publisher.Publisher` for one run."""

    def __init__(self, properties: Mapping[str, Any], target: Target) -> None:
        own = {name: value for name, value in properties.items() if not name.startswith("transaction")}
        # Its queue is as long as of the largest checkpoint measured; here nothing waits for a checkpoint.
        self._producer = Producer({**own, "queue.buffering.max.messages": QUEUE, "message.timeout.ms": 0})
        self._target = target
        self._sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def take_over(self) -> Position | None:
        """Nobody is fenced, and every run is a first one."""
        return None

    def send(self, checkpoint: Checkpoint) -> bool:
        """Queue what has come since the last call."""
        # Not by `messages`, which keeps what it gives for a second attempt: there is none here.
        new: list[Any] = checkpoint._slices[self._sent :]  # noqa: SLF001
        for messages in new:
            self._produce_batch(messages)
        self._sent += len(new)
        return True

    def publish(self, checkpoint: Checkpoint, close: Callable[[Ends], Closing]) -> Closing:
        """Queue the rest, and what ends the checkpoint; the run's last one waits for the broker."""
        self.send(checkpoint)
        self._sent = 0
        closing = close({})
        self._produce(self._target.ledger_topic, *closing.entry)
        self._produce(self._target.cursors_topic, *closing.position.message())
        if closing.position.completed:
            self._producer.flush()
        return closing

    def _produce_batch(self, messages: list[dict[str, Any]]) -> None:
        while messages:
            self._producer.produce_batch(self._target.topic, messages)
            messages = [message for message in messages if message.pop("_error", None)]
            self._producer.poll(0.1 if messages else 0)

    def _produce(self, topic: str, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return
