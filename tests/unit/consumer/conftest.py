"""Messages, schemas and records for the loader's unit tests."""

import io
import json
from collections.abc import Callable
from typing import Any

import fastavro
import pytest
from confluent_kafka import Message

from consumer.assignment import Assigned, Assignment
from consumer.epochs import TopicId
from consumer.schema_tree import SourceSchema, read_schema

TOPIC = "ingest.weather"
FRAME = b"\0\0\0\0\x07"

ReadSchema = Callable[..., SourceSchema]
Encode = Callable[[dict[str, Any], dict[str, Any]], bytes]
MakeMessage = Callable[..., Message]


@pytest.fixture
def schema_of() -> ReadSchema:
    """A source schema with the given fields; further keywords are properties of the record."""

    def build(*fields: dict[str, Any], **properties: Any) -> SourceSchema:
        record = {"type": "record", "name": "Record", "namespace": "ingest.weather"}
        return read_schema(json.dumps({**record, "fields": list(fields), **properties}))

    return build


@pytest.fixture
def encode() -> Encode:
    """An Avro body by fastavro."""

    def build(schema: dict[str, Any], record: dict[str, Any]) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
        return out.getvalue()

    return build


@pytest.fixture
def message() -> MakeMessage:
    """A consumed message."""

    def build(
        offset: int,
        value: bytes | None = FRAME + b"x",
        *,
        topic: str = TOPIC,
        partition: int = 0,
        leader_epoch: int = 3,
        **rest: Any,
    ) -> Message:
        return Message(
            topic=topic,
            partition=partition,
            offset=offset,
            value=value,
            timestamp=(1, 1_700_000_000_000 + offset),
            leader_epoch=leader_epoch,
            **rest,
        )

    return build


@pytest.fixture
def assignment() -> Assignment:
    """Two partitions of one topic, and one of another."""
    ours = Assignment()
    for topic, partition in ((TOPIC, 0), (TOPIC, 1), ("ingest.flights", 0)):
        ours.add(Assigned(topic, partition, TopicId("an-id", 11)))
    return ours
