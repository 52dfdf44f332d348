"""Read a topic from its start to its end, where "the end" is where a reader meets it.

Offsets asked from a broker are no measure of that: transaction markers and batches make them differ from
the number of records (see PARTITION_EOF in librdkafka). Following a topic as a group member is the
consumer's job.

A broker that does not know a topic may only not know it yet: it has just started, or another one has just
created the topic. Whether the topic exists is settled before reading; afterwards "unknown" means to wait.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not for type checkers
    TopicMetadata,
)

from runtime.errors import DependencyError

CHUNK = 10_000
# consume() uses all of it, also when the end is reached at once.
WAIT_SECONDS = 0.02
# For so long a topic must be told to be unknown, look after look, before it counts as absent.
ABSENT_SECONDS = 1.0
LOOK_SECONDS = 0.05
# librdkafka: this minus n is the place n offsets before the end (RD_KAFKA_OFFSET_TAIL).
_OFFSET_TAIL = -2000
# Offsets are no records: transactions have markers. The last records are looked for in so many offsets more;
# where that is not enough, in so many times as many.
_SPARE, _FARTHER = 100, 100
_UNKNOWN = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - librdkafka's public error codes
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    }
)
_PASSING = _UNKNOWN | {KafkaError.LEADER_NOT_AVAILABLE}


def read_to_end(
    properties: Mapping[str, object],
    topic: str,
    *,
    partitions: Sequence[int] | None = None,
    start: int = OFFSET_BEGINNING,
    must_exist: bool = False,
    isolation: str = "read_committed",
    timeout: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Message]:
    """Yield every record of `topic` up to the end that this reader meets in each partition.

    `partitions` limits the reading, `start` is the offset where it begins in each. `timeout` is the number of
    seconds without any progress after which DependencyError is raised. A topic or partition that the broker
    does not know for ABSENT_SECONDS yields nothing; with `must_exist` it never counts as absent and is waited
    for like any other answer. Raises KafkaException for what waiting does not mend, such as missing rights.
    No offsets are committed.
    """
    with _consumer(properties, isolation) as consumer:
        chosen = _existing(consumer, topic, partitions, must_exist, timeout, clock)
        reading = _Reading(consumer, topic, dict.fromkeys(chosen, start), timeout, clock)
        yield from reading.messages({})


def read_last(
    properties: Mapping[str, object],
    topic: str,
    number: int,
    *,
    timeout: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> list[Message]:
    """The last `number` committed records of each partition, partition by partition, the oldest first.

    Raises what `read_to_end` raises.
    """
    found: dict[int, deque[Message]] = {}
    with _consumer(properties, "read_committed") as consumer:
        wanted = _existing(consumer, topic, None, False, timeout, clock)
        offsets = number + _SPARE
        while wanted:
            newest = {partition: deque[Message](maxlen=number) for partition in wanted}
            tail = _Reading(consumer, topic, dict.fromkeys(wanted, _OFFSET_TAIL - offsets), timeout, clock)
            for message in tail.messages({}):
                newest[_partition(message)].append(message)
            found |= newest
            wanted = [one for one in wanted if len(newest[one]) < number and tail.ends[one] > offsets]
            offsets *= _FARTHER
    return [message for messages in found.values() for message in messages]


def read_settled(
    properties: Mapping[str, object],
    topic: str,
    *,
    partitions: Sequence[int] | None = None,
    starts: Mapping[int, int] | None = None,
    timeout: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Message]:
    """Yield every committed record of an existing topic that stands before its end of now.

    `starts` says from which offset on where that is not the first. Transactions that are open before the end,
    anybody's, are waited for: they might hide the newest record. Raises what `read_to_end` raises; `timeout`
    must be longer than a transaction may stay open.
    """
    with _consumer(properties, "read_uncommitted") as consumer:
        chosen = _existing(consumer, topic, partitions, True, timeout, clock)
        # Not what the broker lists as the end, but where a reader that sees everything meets it.
        log = _Reading(consumer, topic, dict.fromkeys(chosen, OFFSET_END), timeout, clock)
        for _ in log.messages({}):
            pass
    with _consumer(properties, "read_committed") as consumer:
        # Asks for the leaders at once; librdkafka would do so half a second later.
        _existing(consumer, topic, chosen, True, timeout, clock)
        places = {partition: (starts or {}).get(partition, OFFSET_BEGINNING) for partition in chosen}
        yield from _Reading(consumer, topic, places, timeout, clock).messages(log.ends)


@contextmanager
def _consumer(properties: Mapping[str, object], isolation: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            **properties,
            "group.id": "ingest-read-to-end",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _existing(
    consumer: Consumer,
    topic: str,
    wanted: Sequence[int] | None,
    must_exist: bool,
    timeout: float,
    clock: Callable[[], float],
) -> list[int]:
    """The wanted partitions that the topic has (None: all), once the broker can be believed about them."""
    began = clock()
    while True:
        found = _described(consumer, topic, timeout)
        asked = set(found.partitions if wanted is None else wanted)
        there = sorted(asked & found.partitions.keys())
        if found.error is None and len(there) == len(asked):
            return there
        waited = clock() - began
        unknown = found.error is None or found.error.code() in _UNKNOWN
        if unknown and not must_exist and waited >= min(ABSENT_SECONDS, timeout):
            return there
        if waited >= timeout:
            why = f"of {sorted(asked)} it has {there}" if found.error is None else found.error.str()
            raise DependencyError(
                f"The broker did not say for {timeout:g} s which partitions {topic} has: {why}. "
                "Is it still starting, or was the topic deleted?"
            )
        consumer.poll(LOOK_SECONDS)


def _described(consumer: Consumer, topic: str, timeout: float) -> TopicMetadata:
    try:
        found: TopicMetadata = consumer.list_topics(topic, timeout=timeout).topics[topic]
    except KafkaException as error:
        raise DependencyError(f"The broker did not say which partitions {topic} has: {error}") from error
    if found.error is not None and found.error.code() not in _PASSING:
        raise KafkaException(found.error)
    return found


class _Reading:
    """Reads partitions from the given places on; `ends` are the offsets at which it has met their ends."""

    def __init__(
        self,
        consumer: Consumer,
        topic: str,
        places: Mapping[int, int],
        timeout: float,
        clock: Callable[[], float],
    ) -> None:
        self.ends: dict[int, int] = {}
        self._consumer = consumer
        self._topic = topic
        self._places = places
        self._timeout = timeout
        self._clock = clock

    def messages(self, least: Mapping[int, int]) -> Iterator[Message]:
        """Yield records up to each partition's end; an end before offset `least` is none yet."""
        self._consumer.assign([TopicPartition(self._topic, one, at) for one, at in self._places.items()])
        last_progress = self._clock()
        while unfinished := self._unfinished(least):
            messages = self._consumer.consume(CHUNK, timeout=WAIT_SECONDS)
            for message in messages:
                if message.error() is None:
                    yield message
                else:
                    self._handle(message)
            if any(_is_progress(message) for message in messages):
                last_progress = self._clock()
            elif self._clock() - last_progress > self._timeout:
                raise DependencyError(
                    f"Reading topic {self._topic} to its end: partitions {unfinished} gave nothing for "
                    f"{self._timeout:.0f} s. Is the broker up, or is a transaction hanging open? "
                    "Try again when it answers."
                )

    def _unfinished(self, least: Mapping[int, int]) -> list[int]:
        return [
            partition
            for partition in self._places
            if partition not in self.ends or self.ends[partition] < least.get(partition, 0)
        ]

    def _handle(self, event: Message) -> None:
        error = event.error()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's public name of the event
            self.ends[_partition(event)] = event.offset() or 0
        elif error.code() not in _UNKNOWN and (error.fatal() or not error.retriable()):
            raise KafkaException(error)


def _is_progress(message: Message) -> bool:
    error = message.error()
    return error is None or error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001


def _partition(message: Message) -> int:
    partition = message.partition()
    return -1 if partition is None else partition
