"""Reads the first or last records of a topic and decodes each by its registered schema. Joins no group."""

import heapq
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice
from typing import Any

import fastavro
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from cli.errors import CommandError, NotFoundError
from runtime.errors import DependencyError
from runtime.kafka import client_properties
from runtime.settings import KafkaSettings
from runtime.stopping import Deadline
from schemas.errors import FramingError, RegistryUnavailableError
from schemas.registry import SchemaRegistry
from schemas.wire import split_frame

# librdkafka: this minus n is the place n records before the end (RD_KAFKA_OFFSET_TAIL).
_OFFSET_TAIL = -2000
_SECONDS = 10.0
_CHUNK = 10_000


@dataclass(frozen=True)
class Reader:
    """An open consumer and the partitions of the topic it looks into."""

    consumer: Consumer
    topic: str
    partitions: tuple[int, ...]


@dataclass(frozen=True)
class Line:
    """One record, decoded. `fault` says why `value` is text of the raw bytes (hexadecimal) instead."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime | None
    key: str
    headers: dict[str, str]
    value: Any
    fault: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


@contextmanager
def open_reader(kafka: KafkaSettings, topic: str) -> Iterator[Reader]:
    """A reader of `topic`; NotFoundError when there is no such topic, DependencyError without a broker."""
    own = {
        "group.id": "ingest-tail",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
    }
    consumer = Consumer(client_properties(kafka, **own))
    try:
        yield Reader(consumer, topic, _partitions(consumer, kafka, topic))
    finally:
        consumer.close()


def _partitions(consumer: Consumer, kafka: KafkaSettings, topic: str) -> tuple[int, ...]:
    try:
        topics = consumer.list_topics(timeout=_SECONDS).topics
    except KafkaException as exc:
        raise DependencyError(
            f"the broker at {kafka.bootstrap_servers} did not answer within {_SECONDS:g} s: "
            f"{exc.args[0].str()}"
        ) from exc
    if topic not in topics:
        near = get_close_matches(topic, topics, n=1)
        hint = f"did you mean {near[0]}?" if near else "a source's topic exists once its first run has begun"
        raise NotFoundError(f"there is no topic {topic} at {kafka.bootstrap_servers}; {hint}")
    return tuple(topics[topic].partitions)


def first(reader: Reader, limit: int) -> Iterator[Message]:
    """The first `limit` records that are there, partition by partition as they come."""
    yield from islice(_stored(reader, OFFSET_BEGINNING), limit)


def last(reader: Reader, limit: int) -> list[Message]:
    """The last `limit` records of all partitions together, the oldest first."""
    # Where "the end" is, a broker may tell wrongly; so start near it and read until a reader meets it.
    return heapq.nlargest(limit, _stored(reader, _OFFSET_TAIL - limit), key=_place)[::-1]


def new(reader: Reader) -> Iterator[Message]:
    """Records that come after those that `last` has read; for ever."""
    while True:
        yield from _records(reader.consumer.consume(_CHUNK, timeout=0.5))


def _stored(reader: Reader, start: int) -> Iterator[Message]:
    reader.consumer.assign([TopicPartition(reader.topic, number, start) for number in reader.partitions])
    unfinished, patience = set(reader.partitions), Deadline(_SECONDS)
    while unfinished:
        messages = reader.consumer.consume(_CHUNK, timeout=0.2)
        yield from _records(messages)
        unfinished -= {message.partition() for message in messages if _is_end(message)}
        if messages:
            patience = Deadline(_SECONDS)
        elif patience.expired:
            raise DependencyError(
                f"reading {reader.topic}: partitions {sorted(unfinished)} gave nothing for {_SECONDS:g} s; "
                "are their leaders up?"
            )


def _records(messages: list[Message]) -> Iterator[Message]:
    for message in messages:
        error = message.error()
        if error is None:
            yield message
        elif error.fatal():
            raise KafkaException(error)


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - its public name


def _place(message: Message) -> tuple[int, int, int]:
    return message.timestamp()[1], message.partition() or 0, message.offset() or 0


class Decoder:
    """Turns messages into lines; what cannot be decoded becomes a line that says why."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._schemas: dict[int, Any] = {}

    def line(self, message: Message) -> Line:
        """One record for showing. Raises RegistryUnavailableError only."""
        value, fault = self._value(message.value())
        kind, milliseconds = message.timestamp()
        return Line(
            topic=message.topic() or "",
            partition=message.partition() or 0,
            offset=message.offset() or 0,
            timestamp=None
            if kind == TIMESTAMP_NOT_AVAILABLE
            else datetime.fromtimestamp(milliseconds / 1000, UTC),
            key=_text(message.key()),
            headers={name: _text(raw) for name, raw in dict(message.headers() or {}).items()},
            value=value,
            fault=fault,
        )

    def _value(self, raw: bytes | str | None) -> tuple[Any, str | None]:
        if not isinstance(raw, bytes):
            return raw, None
        try:
            schema_id, body = split_frame(raw)
            stream = io.BytesIO(body)
            value = fastavro.schemaless_reader(stream, self._schema(schema_id), None)
        except RegistryUnavailableError:
            raise
        except FramingError as exc:
            # Our own system topics and foreign ones hold plain JSON.
            return _json(raw) if raw[:1] in b"{[" else (raw.hex(), str(exc))
        except Exception as exc:  # fastavro raises whatever the bytes make it do
            return raw.hex(), f"{type(exc).__name__}: {exc}"
        left = len(body) - stream.tell()
        return (value, None) if left == 0 else (raw.hex(), f"{left} bytes are left over after the record")

    def _schema(self, schema_id: int) -> Any:
        if schema_id not in self._schemas:
            registered = self._registry.schema(schema_id)
            if registered.schema_type != "AVRO":
                raise CommandError(f"schema {schema_id} is {registered.schema_type}, not Avro")
            self._schemas[schema_id] = fastavro.parse_schema(json.loads(registered.text))
        return self._schemas[schema_id]


def _json(raw: bytes) -> tuple[Any, str | None]:
    try:
        return json.loads(raw), None
    except ValueError as exc:
        return raw.hex(), f"neither framed Avro nor JSON: {exc}"


def _text(raw: bytes | str | None) -> str:
    return raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw or ""
