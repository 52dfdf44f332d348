"""Topics exist, with the settings they need, before the first record of a run is produced.

Existing topics are left as they are. Schemas are registered by `producer.preparation`; names come from
`schemas.names`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not for type checkers
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from producer.errors import BrokerAwayError, TopicRefusedError
from producer.limits.store import LIMITS_CONFIG
from producer.positions import Ends
from runtime.settings import ProducerSettings
from schemas.names import Names

if TYPE_CHECKING:
    from concurrent.futures import Future

TIMEOUT = 15.0
# Below the time that a readiness probe may take.
REACH_TIMEOUT = 2.5
# Kafka's own default for `max.message.bytes` is a little above this, librdkafka's for `message.max.bytes` is
# this.
DEFAULT_MESSAGE_BYTES = 1_000_000
# Replay is the point of the log, and a dead letter waits for a person: neither may expire.
KEEP = {"retention.ms": "-1"}
_METADATA_STEP = 0.05
COMPACT = {"cleanup.policy": "compact"}

_log = structlog.get_logger(__name__)


class Topics:
    """Looks topics up and creates missing ones. Every call ends within `timeout` seconds or raises."""

    def __init__(
        self,
        properties: Mapping[str, Any],
        settings: ProducerSettings,
        *,
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._broker_says = "no answer"
        with_reasons: dict[str, Any] = {**properties, "error_cb": self._on_error}
        self._admin = AdminClient(with_reasons)
        self._partitions = settings.topic_partitions
        self._job_partitions = settings.job_partitions
        self._replication = settings.topic_replication
        self._timeout = timeout
        # Looked up once a run: partitions that are added meanwhile are read from their start.
        self._counts: dict[str, int] = {}

    def reachable(self) -> str | None:
        """None if the broker answers, otherwise what is wrong, for a readiness check."""
        try:
            self._listed(min(self._timeout, REACH_TIMEOUT))
        except BrokerAwayError as exc:
            return str(exc)
        return None

    def ensure_source(self, topic: str, dead_letter_topic: str, ledger_topic: str) -> int:
        """Create what is missing of a source's two topics and the ledger's; returns the largest message in
        bytes that the source's take.
        """
        self._ensure({topic: KEEP, dead_letter_topic: KEEP, ledger_topic: KEEP})
        for own in (topic, dead_letter_topic):
            self._counts.pop(own, None)
        return self._message_bytes([topic, dead_letter_topic])

    def ensure_state(self, names: Names) -> None:
        """Create what is missing of the compacted topics in which the producers keep their state."""
        self._ensure({names.cursors: COMPACT, names.states: COMPACT, names.limits: LIMITS_CONFIG})
        self._ensure({names.jobs: COMPACT}, partitions=self._job_partitions)

    def ends(self, topics: Sequence[str]) -> Ends:
        """The offsets at which these topics end now: what was acknowledged before stands before them.

        Raises BrokerAwayError.
        """
        asked = {
            TopicPartition(topic, partition): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for topic in topics
            for partition in range(self._counts.get(topic) or self.partitions(topic))
        }
        answers = self._admin.list_offsets(asked, request_timeout=self._timeout)
        ends: Ends = {topic: {} for topic in topics}
        try:
            for place, future in answers.items():
                ends[place.topic][place.partition] = future.result(timeout=self._timeout).offset
        except (KafkaException, TimeoutError) as exc:
            raise BrokerAwayError(f"the broker does not say where {', '.join(topics)} end: {exc}") from exc
        return ends

    def partitions(self, topic: str) -> int:
        """How many partitions an existing topic has."""
        count = len(self._await_known([topic])[topic].partitions)
        self._counts[topic] = count
        return count

    def _listed(self, timeout: float) -> dict[str, Any]:
        try:
            # Asked for all topics, since asking for one may create it on brokers that allow that.
            topics: dict[str, Any] = self._admin.list_topics(timeout=timeout).topics
        except KafkaException as exc:
            # Serves what has queued up: the reason, and log lines, which would pile up otherwise.
            self._admin.poll(0)
            raise BrokerAwayError(f"the broker does not answer ({self._broker_says})") from exc
        self._admin.poll(0)
        return topics

    def _on_error(self, error: KafkaError) -> None:
        self._broker_says = error.str()

    def _ensure(self, wanted: Mapping[str, Mapping[str, str]], partitions: int | None = None) -> None:
        known = self._listed(self._timeout)
        missing = [
            NewTopic(
                topic,
                num_partitions=partitions or self._partitions,
                replication_factor=self._replication,
                config=dict(config),
            )
            for topic, config in wanted.items()
            if topic not in known
        ]
        if not missing:
            return
        created = self._admin.create_topics(
            missing, operation_timeout=self._timeout, request_timeout=self._timeout
        )
        for topic, future in created.items():
            self._await_creation(topic, future)
        self._await_known(list(wanted))

    def _await_known(self, topics: Sequence[str]) -> dict[str, Any]:
        # A topic just created is not at once in the metadata of every broker.
        deadline = self._clock() + self._timeout
        while True:
            known = self._listed(self._timeout)
            if all(topic in known and known[topic].error is None for topic in topics):
                return known
            if self._clock() >= deadline:
                raise BrokerAwayError(
                    f"the broker does not know {', '.join(topics)} within {self._timeout:g} s"
                )
            self._sleep(_METADATA_STEP)

    def _await_creation(self, topic: str, future: "Future[None]") -> None:
        try:
            future.result(timeout=self._timeout)
        except (KafkaException, TimeoutError) as exc:
            error = exc.args[0] if isinstance(exc, KafkaException) else None
            if error is not None and error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return
            if error is None or _is_away(error):
                raise BrokerAwayError(f"topic {topic} was not created in time: {exc}") from exc
            raise TopicRefusedError(
                f"topic {topic} does not exist and the broker refuses to create it: {error.str()}. "
                "Create it by hand, or let this user create topics."
            ) from exc
        _log.info("topic_created", topic=topic)

    def _message_bytes(self, topics: Sequence[str]) -> int:
        asked = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        try:
            answers = self._admin.describe_configs(asked, request_timeout=self._timeout)
            limits = [_limit(future.result(timeout=self._timeout)) for future in answers.values()]
        except (KafkaException, TimeoutError, ValueError) as exc:
            if isinstance(exc, TimeoutError) or (isinstance(exc, KafkaException) and _is_away(exc.args[0])):
                # Guessed too low, records that the topic takes would become dead letters.
                raise BrokerAwayError(f"the broker does not say what {topics[0]} takes: {exc}") from exc
            # A broker that does not tell (or may not tell this user) refuses a too large batch by itself.
            return DEFAULT_MESSAGE_BYTES
        return min(limits)


_AWAY = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka's public error codes
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError.REQUEST_TIMED_OUT,
    }
)


def _is_away(error: KafkaError) -> bool:
    return error.retriable() or error.code() in _AWAY


def _limit(config: Mapping[str, Any]) -> int:
    entry = config.get("max.message.bytes")
    return int(entry.value) if entry is not None and entry.value is not None else DEFAULT_MESSAGE_BYTES
