"""Reads the first or last records of a topic and decodes each by its registered schema. Joins no group."""

import heapq
import io
import json
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice
from typing import Any

import fastavro
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaException, Message
from confluent_kafka.admin import AdminClient

from cli.errors import CommandError, NotFoundError
from runtime.errors import DependencyError
from runtime.kafka import client_properties
from runtime.settings import KafkaSettings
from runtime.topic_reader import read_last, read_to_end
from schemas.errors import (
    FramingError,
    RegistryRefusedError,
    RegistryUnavailableError,
    UnknownSchemaError,
)
from schemas.registry import SchemaRegistry
from schemas.wire import split_frame

_SECONDS = 10.0
# What a reader of one of many partitions fetches ahead.
_SMALL = {"queued.min.messages": 1000, "queued.max.messages.kbytes": 4096}
# Ours end so; their values are raw items, as JSON, or what could not be loaded.
_DEAD_LETTERS = ".dlq"


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


def first(kafka: KafkaSettings, topic: str, limit: int) -> Iterator[Message]:
    """The first `limit` records of all partitions together, the oldest first."""
    with _readable(kafka, topic) as (properties, partitions), ExitStack() as stack:
        own = {**properties, **_SMALL}
        # One reader for each, since what one reader gets comes partition by partition.
        readers = [
            stack.enter_context(closing(read_to_end(own, topic, partitions=[one], timeout=_SECONDS)))
            for one in partitions
        ]
        yield from islice(heapq.merge(*readers, key=_place), limit)


def last(kafka: KafkaSettings, topic: str, limit: int) -> list[Message]:
    """The last `limit` records of all partitions together, the oldest first."""
    with _readable(kafka, topic) as (properties, _):
        records = read_last(properties, topic, limit, timeout=_SECONDS)
    return heapq.nlargest(limit, records, key=_place)[::-1]


@contextmanager
def _readable(kafka: KafkaSettings, topic: str) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """The properties to read the topic with, and its partitions; has words for what the broker refuses."""
    partitions = _partitions(kafka, topic)
    try:
        yield client_properties(kafka, **{"group.id": "ingest-tail"}), partitions
    except KafkaException as exc:
        raise CommandError(
            f"the broker at {kafka.bootstrap_servers} does not let us read {topic}: {exc.args[0].str()}. "
            "Look at the rights of the user in INGEST_KAFKA__PROPERTIES"
        ) from exc


def _partitions(kafka: KafkaSettings, topic: str) -> list[int]:
    """Those of the topic; NotFoundError if there is none of that name."""
    try:
        topics = AdminClient(client_properties(kafka)).list_topics(timeout=_SECONDS).topics
    except KafkaException as exc:
        raise DependencyError(
            f"the broker at {kafka.bootstrap_servers} did not answer within {_SECONDS:g} s: "
            f"{exc.args[0].str()}"
        ) from exc
    if topic not in topics:
        near = get_close_matches(topic, topics, n=1)
        hint = (
            f"did you mean {near[0]}?" if near else "a source's topic is there once its first run has begun"
        )
        raise NotFoundError(f"there is no topic {topic} at {kafka.bootstrap_servers}; {hint}")
    return sorted(topics[topic].partitions)


def _place(message: Message) -> tuple[int, int, int]:
    return message.timestamp()[1], message.partition() or 0, message.offset() or 0


class Decoder:
    """Turns messages into lines; what cannot be decoded becomes a line that says why."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._schemas: dict[int, Any] = {}

    def line(self, message: Message) -> Line:
        """One record for showing. Raises RegistryUnavailableError only."""
        value, fault = self._value(message.value(), letter=_is_letter(message))
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

    def _value(self, raw: bytes | str | None, *, letter: bool) -> tuple[Any, str | None]:
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
            value, fault = _json(raw)
            if raw[:1] in (b"{", b"[") or (letter and fault is None):
                return value, fault
            return raw.hex(), f"not in Confluent framing: {exc}"
        except UnknownSchemaError as exc:
            return raw.hex(), f"not in Confluent framing, or its schema is gone: {exc}"
        except (CommandError, RegistryRefusedError) as exc:
            return raw.hex(), str(exc)
        # fastavro raises whatever the bytes make it do. Its reader takes what is not there for empty.
        except (EOFError, IndexError, struct.error):
            return (
                raw.hex(),
                f"ends too early for a record of schema {schema_id}: its body has {len(body)} bytes",
            )
        except Exception as exc:
            return raw.hex(), f"is no record of schema {schema_id} ({type(exc).__name__}: {exc})"
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


def _is_letter(message: Message) -> bool:
    return (message.topic() or "").endswith(_DEAD_LETTERS)


def _text(raw: bytes | str | None) -> str:
    return raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw or ""
