"""An independent witness reads what we publish.

kafka-python for the protocol, the official avro package for the bytes, plain HTTP for the schema: neither our
code nor the libraries we publish with are between.
"""

import io
import json
import struct
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import avro.io
import avro.schema
import httpx
import pytest
from pydantic import AwareDatetime, BaseModel, Field

from connectors.base import BaseConnector
from connectors.registry import ConnectorRegistry, Plugin
from devstack.stack import Addresses
from runtime.settings import Settings
from schemas.records import JobPayload
from tests.integration.producer.support import parts_for, records

with warnings.catch_warnings():
    # kafka-python reads its own files in a way that Python 3.11 deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaConsumer
    from kafka.partitioner.default import murmur2


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    number: int
    colour: Colour


class Order(BaseModel):
    customer: str
    order: int
    at: AwareDatetime
    day: date
    total: Annotated[Decimal, Field(max_digits=12, decimal_places=2)]
    ref: UUID
    parts: list[Part] = []
    weights: dict[str, float] = {}
    note: str | None = None
    flag: bool = False


class Orders(BaseConnector):
    """Orders of the witness."""

    name = "orders"
    Record = Order
    key = ("customer", "order")
    event_time = "at"

    def extract(self, since: Any = None) -> Iterator[Any]:
        yield from (item(number) for number in range(500))


def item(number: int) -> dict[str, Any]:
    at = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC) + timedelta(hours=number)
    return {
        "customer": f"Zoë:{number % 7}",
        "order": number,
        "at": at,
        "day": at.date(),
        "total": Decimal(number) / 4,
        "ref": UUID(int=number),
        "parts": [{"number": n, "colour": "red" if n % 2 else "blue"} for n in range(number % 4)],
        "weights": {"kg": number / 3},
        "note": None if number % 2 else f"note {number}",
        "flag": number % 3 == 0,
    }


def read_with_kafka_python(settings: Settings, topic: str) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        consumer = KafkaConsumer(
            topic,
            bootstrap_servers=settings.kafka.bootstrap_servers,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            consumer_timeout_ms=5000,
        )
        try:
            return list(consumer)
        finally:
            consumer.close()


def test_a_witness_decodes_every_record(settings: Settings) -> None:
    with parts_for(settings, Orders) as parts:
        parts.engine.run(JobPayload(source="orders"))
    topic = f"{settings.topic_prefix}.orders"

    answer = httpx.get(f"{settings.registry.url}/subjects/{topic}-value/versions/latest").json()
    schema = avro.schema.parse(answer["schema"])
    level = httpx.get(f"{settings.registry.url}/config/{topic}-value").json()
    assert level["compatibilityLevel"] == "BACKWARD_TRANSITIVE"

    found = read_with_kafka_python(settings, topic)
    assert len(found) == 500
    partitions = len({record.partition for record in found})
    decoded: dict[int, Any] = {}
    for record in found:
        magic, schema_id = struct.unpack(">bI", record.value[:5])
        assert (magic, schema_id) == (0, answer["id"])
        body = io.BytesIO(record.value[5:])
        value: Any = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(body))
        assert not body.read(), "bytes after the record"
        assert record.key.decode() == value["_id"]
        if partitions > 1:
            assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % partitions
        decoded[value["order"]] = value

    assert sorted(decoded) == list(range(500))
    for number in (0, 1, 42, 499):
        expected, value = item(number), decoded[number]
        assert value["_id"] == f"Zoë\\:{number % 7}:{number}"
        assert value["_source"] == "orders"
        assert value["_event_time"] == expected["at"]
        assert {name: value[name] for name in ("customer", "at", "day", "note", "flag", "weights")} == {
            name: expected[name] for name in ("customer", "at", "day", "note", "flag", "weights")
        }
        assert value["total"] == expected["total"]
        assert str(value["ref"]) == str(expected["ref"])
        assert [part["colour"] for part in value["parts"]] == [part["colour"] for part in expected["parts"]]
    envelope = ["_id", "_source", "_event_time", "_extracted_at", "_run_id"]
    assert [field["name"] for field in json.loads(answer["schema"])["fields"]][:5] == envelope


@pytest.mark.parametrize("source", ["orders", "weather"])
def test_the_daemon_s_slices_mean_what_run_yields(
    settings: Settings, addresses: Addresses, source: str
) -> None:
    """docs/decisions/0003: one record at a time for authors, slices for the daemon, the same records."""
    if source == "weather" and addresses.upstream_url is None:
        pytest.skip("these servers have no stand-in for the weather API")
    builtin = ConnectorRegistry.discover(entry_points=False)
    cls = Orders if source == "orders" else builtin.get(source).cls
    with parts_for(settings, cls) as parts:
        parts.engine.run(JobPayload(source=source))
    found = {record["_id"]: record for record in records(settings, source)}
    registry = ConnectorRegistry([Plugin(source, cls, "test")])
    yielded = list(registry.create(source, settings.sources.get(source, {})).run())
    assert len(found) == len({each.id for each in yielded})
    assert len(found) >= 500
    for each in yielded:
        record = found[each.id]
        assert record["_source"] == each.source
        assert record["_event_time"] == each.event_time
        payload = each.payload.model_dump()
        assert {name: record[name] for name in payload} == {
            name: plain(value) for name, value in payload.items()
        }


def plain(value: Any) -> Any:
    """As fastavro gives it back."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.value if isinstance(value, StrEnum) else value
