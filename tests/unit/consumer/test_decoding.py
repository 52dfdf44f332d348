import io
import json
import math
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.decoding import MAX_DEPTH, RecordDecoder, UndecodableError
from consumer.schema_tree import SourceSchema, read_schema
from consumer.writer_schema import zigzag
from tests.unit.consumer.avro_strategies import records

Made = tuple[dict[str, Any], list[dict[str, Any]]]


def _schema(*fields: dict[str, Any]) -> tuple[dict[str, Any], SourceSchema]:
    raw = {"type": "record", "name": "Record", "namespace": "n", "fields": list(fields)}
    return raw, read_schema(json.dumps(raw))


def _body(raw: dict[str, Any], record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(raw), record)
    return out.getvalue()


def _text(body: bytes) -> Any:
    """The JSON of a body that is one Avro string."""
    return json.loads(str(fastavro.schemaless_reader(io.BytesIO(body), {"type": "string"}, None)))


def _plain(value: Any) -> Any:
    """A value of fastavro's as we write it in JSON."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


@given(records(rows=1))
def test_what_is_read_is_what_fastavro_reads(made: Made) -> None:
    raw, (record,) = made
    body = _body(raw, record)
    expected = fastavro.schemaless_reader(io.BytesIO(body), fastavro.parse_schema(raw), None)
    assert isinstance(expected, dict)
    for name, value in expected.items():
        others = {
            "type": "record",
            "name": "R",
            "fields": [field for field in raw["fields"] if field["name"] == name],
        }
        decoder = RecordDecoder(read_schema(json.dumps(others)), [name])
        assert _text(decoder.decode(_body(others, {name: record[name]}))) == _plain(value)


@given(records(rows=1))
def test_fields_with_a_column_are_copied_byte_for_byte(made: Made) -> None:
    raw, (record,) = made
    body = _body(raw, record)
    assert RecordDecoder(read_schema(json.dumps(raw)), []).decode(body) == body


@given(records(rows=1), st.data())
def test_any_bytes_are_a_record_or_an_error_of_ours(made: Made, data: st.DataObject) -> None:
    raw, (record,) = made
    body = bytearray(_body(raw, record))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    decoder = RecordDecoder(read_schema(json.dumps(raw)), [field["name"] for field in raw["fields"]])
    try:
        decoder.decode(bytes(body))
    except UndecodableError as exc:
        assert str(exc)  # noqa: PT017 - either outcome is right, anything else is not


def test_a_recursive_field_becomes_text_and_its_neighbours_stay() -> None:
    node = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "v", "type": "int"}, {"name": "next", "type": ["null", "Node"]}],
    }
    raw, schema = _schema(
        {"name": "a", "type": "int"}, {"name": "list", "type": node}, {"name": "b", "type": "string"}
    )
    record = {"a": 7, "list": {"v": 1, "next": {"v": 2, "next": None}}, "b": "end"}
    decoded = RecordDecoder(schema, ["list"]).decode(_body(raw, record))
    assert decoded.startswith(zigzag(7))
    assert decoded.endswith(zigzag(3) + b"end")
    assert _text(decoded[1:-4]) == record["list"]


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("int", b"", "ends before"),
        ("string", zigzag(5) + b"abc", "length of 5"),
        ("string", zigzag(-5), "length of -5"),
        ("string", zigzag(2) + b"\xff\xfe", "not text"),
        ("int", b"\x02\x00", "1 bytes are left over"),
        ("long", b"\xff" * 10 + b"\x01", "64 bits"),
        ("boolean", b"\x07", "boolean 7 of 2"),
        (["null", "int"], zigzag(9), "union branch 9 of 2"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, zigzag(-2), "symbol -2 of 1"),
        ({"type": "array", "items": "null"}, zigzag(2**40) + b"\0", "more values"),
        (
            {"type": "array", "items": "int"},
            zigzag(-(2**63)) + zigzag(1) + b"\2\0",
            "more values|ends before",
        ),
        ({"type": "fixed", "name": "F", "size": 2_000_000_000}, b"abc", "length of 2000000000"),
        ("double", b"abc", "length of 8"),
    ],
)
def test_broken_records_are_named_and_cost_nothing(kind: Any, body: bytes, why: str) -> None:
    _raw, schema = _schema({"name": "x", "type": kind})
    with pytest.raises(UndecodableError, match=why):
        RecordDecoder(schema, ["x"]).decode(body)


def test_a_record_nested_without_end_is_an_error_not_a_crash() -> None:
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    _raw, schema = _schema({"name": "x", "type": node})
    decoder = RecordDecoder(schema, ["x"])
    with pytest.raises(UndecodableError, match="levels"):
        decoder.decode(zigzag(1) * 100_000 + zigzag(0))
    decoder.decode(zigzag(1) * (MAX_DEPTH // 4) + zigzag(0))
