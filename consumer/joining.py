"""Says what a loader waits for that the group has given nothing yet, neither partitions nor a refusal.

Of a loader that was killed the group waits to hear for as long as it may be silent; until then it answers its
successor nothing.
"""

import re
import threading

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from runtime.kafka_properties import uses_consumer_protocol
from runtime.settings import KafkaSettings

PATIENCE = 5.0
# librdkafka's default.
_SESSION_MS = 45_000
_LOOK_SECONDS = 5.0
_log = structlog.get_logger(__name__)


class Joining:
    """From subscribing to the group's first answer. For several threads."""

    def __init__(self, kafka: KafkaSettings, admin: AdminClient, topics: str) -> None:
        """`topics` is the pattern that is subscribed to."""
        self._properties = kafka.properties
        self._admin = admin
        self._topics = topics
        self._answered = threading.Event()
        self._timer = threading.Timer(PATIENCE, self.say)
        self._timer.daemon = True

    def begin(self) -> None:
        """Wait for the answer; one line is logged when it takes longer than PATIENCE."""
        self._timer.start()

    def end(self) -> None:
        """The group has answered, or nobody waits for it any more."""
        self._answered.set()
        self._timer.cancel()

    @property
    def answered(self) -> bool:
        """Whether the group has said what is ours, be it nothing."""
        return self._answered.is_set()

    def say(self) -> None:
        """Log what is waited for. While the broker is away, that is said elsewhere."""
        try:
            topics = self._admin.list_topics(timeout=_LOOK_SECONDS).topics
        except KafkaException:
            return
        if self.answered:
            return
        if any(re.search(self._topics, topic) for topic in topics):
            why = f"the group still counts a member that has gone; at most {self._session_timeout()}"
        else:
            why = f"no topic matches {self._topics} yet"
        _log.warning("waiting", waiting_for=f"partitions: {why}")

    def _session_timeout(self) -> str:
        if uses_consumer_protocol(self._properties):
            return "the broker's group.consumer.session.timeout.ms"
        return f"session.timeout.ms={self._properties.get('session.timeout.ms', _SESSION_MS)}"
