"""Reads the ends of a source's own topics into what has been seen there (rules P5 and P7)."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaException, Message

from producer.errors import BrokerAwayError
from producer.positions import Ends
from producer.seen import Seen, digest, letter_digest
from producer.target import TRANSACTION_SECONDS, Target
from runtime.errors import DependencyError
from runtime.topic_reader import read_settled

_TIMEOUT = 2.0 * TRANSACTION_SECONDS
_log = structlog.get_logger(__name__)


class Tails:
    """Reads with these librdkafka properties. Holds no connection between calls."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._properties = dict(properties)

    def read(self, target: Target, starts: Ends, records: Seen, letters: Seen) -> None:
        """Add what stands behind `starts` in the target's two topics; a partition missing there from its
        start on. Raises BrokerAwayError.
        """
        self._read(target.topic, starts, records, lambda one: digest(one.key(), one.value() or b""))
        self._read(target.dead_letter_topic, starts, letters, lambda one: letter_digest(one.value() or b""))
        if records or letters:
            _log.info("topic_end_read", records=len(records), dead_letters=len(letters))

    def _read(self, topic: str, starts: Ends, seen: Seen, digest_of: Callable[[Message], bytes]) -> None:
        try:
            messages = read_settled(self._properties, topic, starts=starts.get(topic, {}), timeout=_TIMEOUT)
            seen.add(map(digest_of, messages))
        except (KafkaException, DependencyError) as exc:
            raise BrokerAwayError(f"the end of {topic} could not be read: {exc}") from exc
