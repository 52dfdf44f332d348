"""Read a topic from its start to its end, where "the end" is where a reader meets it.

Offsets asked from a broker are no measure of that: transaction markers and batches make them differ from
the number of records (see PARTITION_EOF in librdkafka). Following a topic as a group member is the
consumer's job.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from runtime.errors import DependencyError

CHUNK = 10_000
# consume() uses all of it, also when the end is reached at once.
WAIT_SECONDS = 0.02
# librdkafka: this minus n is the place n offsets before the end (RD_KAFKA_OFFSET_TAIL).
_OFFSET_TAIL = -2000


def read_to_end(
    properties: Mapping[str, object],
    topic: str,
    *,
    partitions: Sequence[int] | None = None,
    last: int | None = None,
    isolation: str = "read_committed",
    timeout: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Message]:
    """Yield every record of `topic` up to the end that this reader meets in each partition.

    `partitions` limits the reading. `last` leaves out what is certainly before the last so many records of a
    partition; more than those may come, for a broker's own idea of the end is no measure. `timeout` is the
    number of seconds without any progress after which DependencyError is raised. A topic that does not exist
    yields nothing. No offsets are committed.
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
        chosen = _partitions(consumer, topic, timeout) if partitions is None else partitions
        start = OFFSET_BEGINNING if last is None else _OFFSET_TAIL - last
        consumer.assign([TopicPartition(topic, partition, start) for partition in chosen])
        yield from _until_end(consumer, topic, set(chosen), timeout, clock)
    finally:
        consumer.close()


def _until_end(
    consumer: Consumer, topic: str, unfinished: set[int], timeout: float, clock: Callable[[], float]
) -> Iterator[Message]:
    last_progress = clock()
    while unfinished:
        messages = consumer.consume(CHUNK, timeout=WAIT_SECONDS)
        if messages:
            last_progress = clock()
        elif clock() - last_progress > timeout:
            raise DependencyError(
                f"Reading topic {topic} to its end: partitions {sorted(unfinished)} gave nothing for "
                f"{timeout:.0f} s. Is the broker up, or is a transaction hanging open? "
                "Try again when it answers."
            )
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's public name of the event
                unfinished.discard(_partition(message))
            elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):  # noqa: SLF001
                unfinished.clear()
            elif error.fatal() or not error.retriable():
                raise KafkaException(error)


def _partition(message: Message) -> int:
    partition = message.partition()
    return -1 if partition is None else partition


def _partitions(consumer: Consumer, topic: str, timeout: float) -> list[int]:
    try:
        found = consumer.list_topics(topic, timeout=timeout).topics[topic]
    except KafkaException as error:
        raise DependencyError(f"The broker did not say which partitions {topic} has: {error}") from error
    return [] if found.error is not None else sorted(found.partitions)
