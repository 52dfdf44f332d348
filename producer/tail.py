"""Reads the ends of a source's own topics into what has been seen there (rules P5 and P7)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaException, Message

from producer.errors import BrokerAwayError
from producer.overlap import Overlap
from producer.positions import Ends
from producer.seen import letter_digest
from producer.target import TRANSACTION_SECONDS, Target
from runtime.errors import DependencyError
from runtime.topic_reader import read_settled

_TIMEOUT = 2.0 * TRANSACTION_SECONDS
_log = structlog.get_logger(__name__)


class Tails:
    """Reads with these librdkafka properties. Holds no connection between calls."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = dict(properties)

    def read(self, target: Target, starts: Ends, overlap: Overlap) -> None:
        """Add what stands behind `starts` in the target's two topics; a partition missing there from its
        start on. Raises BrokerAwayError.
        """
        self._read(
            target.topic,
            starts,
            lambda found: overlap.read(
                (one.key(), one.partition() or 0, one.value() or b"") for one in found
            ),
        )
        self._read(
            target.dead_letter_topic,
            starts,
            lambda found: overlap.letters.add(letter_digest(one.value() or b"") for one in found),
        )
        if overlap:
            _log.info("topic_end_read", records=len(overlap.records), dead_letters=len(overlap.letters))

    def _read(self, topic: str, starts: Ends, add: Callable[[Iterator[Message]], None]) -> None:
        try:
            add(read_settled(self._properties, topic, starts=starts.get(topic, {}), timeout=_TIMEOUT))
        except (KafkaException, DependencyError) as exc:
            raise BrokerAwayError(f"the end of {topic} could not be read: {exc}") from exc
