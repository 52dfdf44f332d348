"""Reads the positions of the sources: one record per source on a compacted topic.

What a position is stands in `positions`; they are written by the publisher, in the transaction of the records
that come before them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import orjson
from confluent_kafka import KafkaException, Message
from pydantic import ValidationError

from producer.errors import BrokerAwayError, CursorError
from producer.partitioning import partition_of
from producer.positions import Position
from runtime.errors import DependencyError
from runtime.topic_reader import read_settled, read_to_end

# Longer than a transaction may stay open, or nobody could wait for one that hangs.
SETTLE_SECONDS = 60.0


class CursorStore:
    """Reads the cursors topic. Holds no connection between calls."""

    def __init__(
        self,
        properties: Mapping[str, Any],
        topic: str,
        partitions: Callable[[], int],
        *,
        timeout: float = SETTLE_SECONDS,
    ) -> None:
        """`partitions` answers how many partitions the topic has now; `timeout` is in seconds without
        progress.
        """
        self._properties = dict(properties)
        self.topic = topic
        self._partitions = partitions
        self._timeout = timeout

    def load(self, source: str) -> Position | None:
        """The newest position of `source`, None if there is none. Reads the one partition that holds it.

        Nothing that was committed before is overlooked: transactions that are open in the partition, which
        other sources share, are waited for. Raises BrokerAwayError, or CursorError for a value that nobody of
        us wrote.
        """
        partition = partition_of(source.encode(), self._partitions())
        with _told_as_away(self.topic):
            messages = read_settled(
                self._properties, self.topic, partitions=[partition], timeout=self._timeout
            )
            newest = _newest(messages).get(source)
        return None if newest is None else _position(source, newest)

    def load_all(self) -> dict[str, Position]:
        """The newest position of every source as far as it can be read without waiting for transactions."""
        with _told_as_away(self.topic):
            newest = _newest(
                read_to_end(self._properties, self.topic, must_exist=True, timeout=self._timeout)
            )
        found = {}
        for source, message in newest.items():
            with suppress(CursorError):
                found[source] = _position(source, message)
        return {source: position for source, position in found.items() if position is not None}


@contextmanager
def _told_as_away(topic: str) -> Iterator[None]:
    try:
        yield
    except (KafkaException, DependencyError) as exc:
        why = exc.args[0].str() if isinstance(exc, KafkaException) else exc
        raise BrokerAwayError(f"cursors could not be read from {topic}: {why}") from exc


def _newest(messages: Iterable[Message]) -> dict[str, Message]:
    return {(message.key() or b"").decode(errors="replace"): message for message in messages}


def _position(source: str, message: Message) -> Position | None:
    value = message.value()
    if value is None:
        return None
    try:
        return Position.model_validate({**orjson.loads(value), "source": source})
    except (ValueError, TypeError) as exc:
        what = (
            exc.errors(include_url=False, include_input=False)[0]["msg"]
            if isinstance(exc, ValidationError)
            else exc
        )
        raise CursorError(
            f"the cursor of {source} at {message.topic()}[{message.partition()}] offset {message.offset()} "
            f"cannot be read: {what}. "
            "Write a valid one for that key, or a record without value to start from nothing."
        ) from exc
