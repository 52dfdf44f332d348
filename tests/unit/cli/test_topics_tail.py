"""`ingest topics tail`: the last or first records, decoded; what cannot be decoded is shown and said."""

import io
import json
from collections.abc import Iterator
from typing import Any

import fastavro
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from pytest_httpserver import HTTPServer

from runtime.exit_codes import ExitCode
from schemas.wire import frame
from tests.unit.cli.conftest import Ingest

SCHEMA = {
    "type": "record",
    "name": "Record",
    "fields": [
        {"name": "n", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}
TOPIC = "ingest.prices"


def encoded(number: int) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(SCHEMA), {"n": number, "at": 0})
    return frame(7, body.getvalue())


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> Iterator[Producer]:
    """librdkafka's own broker with a registry that knows schema 7; the commands look there."""
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 0, "linger.ms": 0})
    brokers = [str(each).split("/")[0] for each in producer.list_topics(timeout=10).brokers.values()]
    monkeypatch.setenv("INGEST_KAFKA__BOOTSTRAP_SERVERS", ",".join(brokers))
    monkeypatch.setenv("INGEST_REGISTRY__URL", httpserver.url_for("").rstrip("/"))
    httpserver.expect_request("/schemas/ids/7").respond_with_json({"schema": json.dumps(SCHEMA)})
    httpserver.expect_request("/schemas/ids/8").respond_with_json(
        {"error_code": 40403, "message": "Schema not found"}, status=404
    )
    yield producer
    producer.flush(1)


def publish(producer: Producer, *values: bytes | None, topic: str = TOPIC, **more: Any) -> None:
    for number, value in enumerate(values):
        producer.produce(
            topic, value, f"k{number}", partition=0, timestamp=1_700_000_000_000 + number, **more
        )
    assert producer.flush(10) == 0


def lines(ingest: Ingest, *arguments: str) -> list[dict[str, Any]]:
    result = ingest("topics", "tail", *arguments, "--json")
    assert result.code == ExitCode.OK, result.err
    return [json.loads(line) for line in result.out.splitlines()]


def test_the_last_records_of_a_source_decoded(ingest: Ingest, producer: Producer) -> None:
    publish(producer, *(encoded(number) for number in range(20)))
    shown = lines(ingest, "prices", "--limit", "3")
    assert [line["value"] for line in shown] == [
        {"n": number, "at": "1970-01-01T00:00:00+00:00"} for number in (17, 18, 19)
    ]
    assert shown[-1]["key"] == "k19"
    assert (shown[-1]["partition"], shown[-1]["offset"]) == (0, 19)
    assert shown[-1]["timestamp"].startswith("2023-11-14T22:13:20")


def test_the_first_records_of_a_topic(ingest: Ingest, producer: Producer) -> None:
    publish(producer, *(encoded(number) for number in range(20)))
    shown = lines(ingest, TOPIC, "--from-beginning", "--limit", "2")
    assert [line["value"]["n"] for line in shown] == [0, 1]


def test_what_cannot_be_decoded_is_shown_with_the_reason(ingest: Ingest, producer: Producer) -> None:
    publish(producer, encoded(1), encoded(2) + b"!", b"plain", frame(8, b""), b'{"a": 1}', None)
    good, trailing, plain, unknown, as_json, tombstone = lines(ingest, "prices")
    assert good["fault"] is None
    assert trailing["fault"] == "1 bytes are left over after the record"
    assert plain["value"] == b"plain".hex()
    assert "wire format" in plain["fault"]
    assert "not in Confluent framing, or its schema is gone: " in unknown["fault"]
    assert "has no schema 8" in unknown["fault"]
    assert (as_json["value"], as_json["fault"]) == ({"a": 1}, None)
    assert (tombstone["value"], tombstone["fault"]) == (None, None)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (encoded(1)[:5], "ends too early for a record of schema 7: its body has 0 bytes"),
        (encoded(300)[:6], "ends too early for a record of schema 7: its body has 1 bytes"),
        (b"\x00\x00", "not in Confluent framing: value of 2 bytes is too short"),
        (b"", "not in Confluent framing: value of 0 bytes is too short"),
        (b"garbage", "not in Confluent framing: value starts with byte 0x67"),
    ],
)
def test_garbage_is_told_in_words(ingest: Ingest, producer: Producer, value: bytes, said: str) -> None:
    publish(producer, value)
    (line,) = lines(ingest, "prices")
    assert line["value"] == value.hex()
    assert line["fault"].startswith(said)


def test_dead_letters_show_their_headers(ingest: Ingest, producer: Producer) -> None:
    publish(producer, b"broken", topic=f"{TOPIC}.dlq", headers={"reason": b"too short", "raw": b"\xff"})
    result = ingest("topics", "tail", "prices", "--dead-letters")
    assert "    reason: too short\n" in result.out
    assert "    raw: \\xff\n" in result.out
    assert "cannot be decoded: " in result.out


def test_dead_letters_that_are_json_and_no_object_are_shown_as_json(
    ingest: Ingest, producer: Producer
) -> None:
    publish(producer, b"7", b"null", b'"text"', b"x", topic=f"{TOPIC}.dlq", headers={"stage": b"producer"})
    *shown, garbage = lines(ingest, "prices", "--dead-letters")
    assert [(line["value"], line["fault"]) for line in shown] == [(7, None), (None, None), ("text", None)]
    assert garbage["value"] == b"x".hex()


def test_the_first_records_are_those_of_all_partitions_by_time(ingest: Ingest, producer: Producer) -> None:
    for number in range(20):
        producer.produce(
            TOPIC, encoded(number), "k", partition=number % 3, timestamp=1_700_000_000_000 + number
        )
    assert producer.flush(10) == 0
    shown = lines(ingest, "prices", "--from-beginning", "--limit", "5")
    assert [line["value"]["n"] for line in shown] == [0, 1, 2, 3, 4]
    assert [line["value"]["n"] for line in lines(ingest, "prices", "--limit", "2")] == [18, 19]


def test_an_empty_topic_is_told_as_such(ingest: Ingest, producer: Producer) -> None:
    publish(producer, topic=TOPIC)
    producer.list_topics(TOPIC, timeout=10)
    result = ingest("topics", "tail", "prices")
    assert (result.code, result.out) == (ExitCode.OK, "")
    assert "ingest.prices has no records" in result.err


def test_a_topic_that_is_not_there_is_told_with_the_nearest(ingest: Ingest, producer: Producer) -> None:
    publish(producer, encoded(1))
    result = ingest("topics", "tail", "price")
    assert result.code == ExitCode.CONFIG
    assert "there is no topic ingest.price at" in result.err
    assert "did you mean ingest.prices?" in result.err


def test_without_a_broker_it_ends_with_4(
    ingest: Ingest, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.tail._SECONDS", 0.5)
    result = ingest("topics", "tail", "prices", INGEST_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert result.code == ExitCode.UNREACHABLE
    assert "the broker at 127.0.0.1:9 did not answer" in result.err


@pytest.mark.parametrize(("reading", "how"), [("read_last", []), ("read_to_end", ["--from-beginning"])])
def test_a_topic_that_may_not_be_read_is_told(
    ingest: Ingest, producer: Producer, monkeypatch: pytest.MonkeyPatch, reading: str, how: list[str]
) -> None:
    publish(producer, encoded(1))

    def refuse(*given: Any, **more: Any) -> Any:
        raise KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))

    monkeypatch.setattr(f"cli.tail.{reading}", refuse)
    result = ingest("topics", "tail", "prices", *how)
    assert result.code == ExitCode.ERROR
    assert "does not let us read ingest.prices" in result.err
    assert "fault of ours" not in result.err
