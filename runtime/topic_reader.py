"""Read a topic from its start to its end, where "the end" is where a reader meets it.

Offsets asked from a broker are no measure of that: transaction markers and batches make them differ from
the number of records (see PARTITION_EOF in librdkafka). Following a topic as a group member is the
consumer's job.

A broker that does not know a topic may only not know it yet: it has just started, or another one has just
created the topic. Whether the topic exists is settled before reading; afterwards "unknown" means to wait.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
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
    last: int | None = None,
    must_exist: bool = False,
    isolation: str = "read_committed",
    timeout: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Message]:
    """Yield every record of `topic` up to the end that this reader meets in each partition.

    `partitions` limits the reading. `last` leaves out what is certainly before the last so many records of a
    partition; more than those may come, for a broker's own idea of the end is no measure. `timeout` is the
    number of seconds without any progress after which DependencyError is raised. A topic or partition that
    the broker does not know for ABSENT_SECONDS yields nothing; with `must_exist` it never counts as absent
    and is waited for like any other answer. Raises KafkaException for what waiting does not mend, such as
    missing rights. No offsets are committed.
    """
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
        chosen = _existing(consumer, topic, partitions, must_exist, timeout, clock)
        start = OFFSET_BEGINNING if last is None else _OFFSET_TAIL - last
        consumer.assign([TopicPartition(topic, partition, start) for partition in chosen])
        yield from _until_end(consumer, topic, set(chosen), timeout, clock)
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


def _until_end(
    consumer: Consumer, topic: str, unfinished: set[int], timeout: float, clock: Callable[[], float]
) -> Iterator[Message]:
    last_progress = clock()
    while unfinished:
        messages = consumer.consume(CHUNK, timeout=WAIT_SECONDS)
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's public name of the event
                unfinished.discard(_partition(message))
            elif error.code() not in _UNKNOWN and (error.fatal() or not error.retriable()):
                raise KafkaException(error)
        if any(_is_progress(message) for message in messages):
            last_progress = clock()
        elif clock() - last_progress > timeout:
            raise DependencyError(
                f"Reading topic {topic} to its end: partitions {sorted(unfinished)} gave nothing for "
                f"{timeout:.0f} s. Is the broker up, or is a transaction hanging open? "
                "Try again when it answers."
            )


def _is_progress(message: Message) -> bool:
    error = message.error()
    return error is None or error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001


def _partition(message: Message) -> int:
    partition = message.partition()
    return -1 if partition is None else partition
