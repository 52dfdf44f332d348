"""What people use instead of us, with the same records, broker, engine and fetch settings.

Each function takes addresses as text and returns {"records", "seconds"}: loaders from the first message to
the last row stored, producers from the first item of the generator to the last acknowledgement.
"""

import io
import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import clickhouse_connect
import fastavro
from confluent_kafka import Consumer, Message, SerializingProducer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext, StringSerializer

from benchmarks.records import CONTRACT, readings
from schemas.avro import build_schema
from schemas.names import Names

Report = dict[str, Any]

CHUNK = 20_000
INSERT_ROWS = 100_000

# librdkafka's defaults make every loader slow: with fetch.queue.backoff.ms=1000 it sleeps a second whenever
# the queue is full.
FETCH = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "queued.min.messages": 100_000,
    "queued.max.messages.kbytes": 65_536,
    "fetch.queue.backoff.ms": 5,
    "max.partition.fetch.bytes": 4 << 20,
    "fetch.wait.max.ms": 100,
}
# What the loaders of ours make of the same schema, and the place in the log.
COLUMNS = """
    _id String, _source LowCardinality(String), _event_time DateTime64(6, 'UTC'),
    _extracted_at DateTime64(6, 'UTC'), _run_id LowCardinality(String), reading String, place String,
    time DateTime64(6, 'UTC'), latitude Float64, longitude Float64, temperature Nullable(Float64),
    humidity Nullable(Float64), wind_speed Nullable(Float64), weather_code Nullable(Int64), station Int64,
    _partition Int32, _offset Int64
"""
PRODUCE = {
    "linger.ms": 20,
    "batch.num.messages": 10_000,
    "compression.type": "lz4",
    "enable.idempotence": True,
    "queue.buffering.max.messages": 200_000,
}


def bare_consume(servers: str, topic: str, count: str) -> Report:
    """Fetch every message and look at nothing: the ceiling of any loader in Python."""
    return _timed(servers, topic, int(count), lambda messages: None, lambda: None)


def fastavro_loader(servers: str, topic: str, count: str, clickhouse: str, registry: str) -> Report:
    """fastavro decodes each record, clickhouse-connect inserts the rows."""
    schema = fastavro.parse_schema(json.loads(_latest_schema(registry, topic)))
    read: Callable[..., Any] = fastavro.schemaless_reader

    def decode(message: Message) -> Sequence[Any]:
        value = message.value() or b""
        return list(read(io.BytesIO(value[5:]), schema).values())

    return _decoding_loader(servers, topic, int(count), clickhouse, decode)


def confluent_loader(servers: str, topic: str, count: str, clickhouse: str, registry: str) -> Report:
    """Confluent's AvroDeserializer decodes each record, clickhouse-connect inserts the rows."""
    deserializer = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    context = SerializationContext(topic, MessageField.VALUE)

    def decode(message: Message) -> Sequence[Any]:
        return list(deserializer(message.value(), context).values())

    return _decoding_loader(servers, topic, int(count), clickhouse, decode)


def serializing_producer(servers: str, topic: str, count: str, registry: str) -> Report:
    """Confluent's SerializingProducer with AvroSerializer; no validation of the items."""
    schema = build_schema(CONTRACT, Names())
    payload = {**schema, "fields": [field for field in schema["fields"] if not field["name"].startswith("_")]}
    serializer = AvroSerializer(SchemaRegistryClient({"url": registry}), json.dumps(payload))
    producer = SerializingProducer(
        {
            **PRODUCE,
            "bootstrap.servers": servers,
            "value.serializer": serializer,
            "key.serializer": StringSerializer(),
        }
    )
    acknowledged = 0

    def on_delivery(error: object, message: Message) -> None:
        nonlocal acknowledged
        acknowledged += error is None

    started = time.perf_counter()
    for number, item in enumerate(readings(int(count))):
        _produce(producer, topic, item, on_delivery)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()
    seconds = time.perf_counter() - started
    if acknowledged != int(count):
        raise RuntimeError(f"{acknowledged} of {count} records were acknowledged")
    return {"records": acknowledged, "seconds": seconds}


def _produce(
    producer: SerializingProducer, topic: str, item: dict[str, Any], on_delivery: Callable[..., None]
) -> None:
    while True:
        try:
            producer.produce(topic, key=item["reading"], value=item, on_delivery=on_delivery)
        except BufferError:
            producer.poll(0.05)
        else:
            return


def _decoding_loader(
    servers: str, topic: str, count: int, clickhouse: str, decode: Callable[[Message], Sequence[Any]]
) -> Report:
    client = clickhouse_connect.get_client(dsn=clickhouse)
    table = f"peer_{uuid.uuid4().hex[:8]}"
    client.command(f"CREATE TABLE {table} ({COLUMNS}) ENGINE = MergeTree ORDER BY (_partition, _offset)")
    rows: list[Sequence[Any]] = []

    def take(messages: list[Message]) -> None:
        rows.extend([*decode(message), message.partition(), message.offset()] for message in messages)
        if len(rows) >= INSERT_ROWS:
            insert()

    def insert() -> None:
        if rows:
            client.insert(table, rows)
            rows.clear()

    report = _timed(servers, topic, count, take, insert)
    stored = client.query(f"SELECT count() FROM {table}").result_rows[0][0]
    client.command(f"DROP TABLE {table}")
    if stored != count:
        raise RuntimeError(f"{stored} of {count} rows were stored")
    return report


def _timed(
    servers: str, topic: str, count: int, take: Callable[[list[Message]], None], finish: Callable[[], None]
) -> Report:
    consumer = Consumer({**FETCH, "bootstrap.servers": servers, "group.id": f"bench-{uuid.uuid4().hex}"})
    consumer.subscribe([topic])
    got, started = 0, 0.0
    while got < count:
        messages = consumer.consume(CHUNK, timeout=0.5)
        if messages and not started:
            started = time.perf_counter()
        take(messages)
        got += len(messages)
    finish()
    seconds = time.perf_counter() - started
    consumer.close()
    return {"records": got, "seconds": seconds}


def _latest_schema(registry: str, topic: str) -> str:
    latest = SchemaRegistryClient({"url": registry}).get_latest_version(f"{topic}-value")
    return str(latest.schema.schema_str)
