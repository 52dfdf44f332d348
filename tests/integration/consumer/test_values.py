"""Values in ClickHouse against values read by fastavro, for any schema that passes the gate."""

import io
import json
import math
import os
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as example_settings

from consumer.clickhouse import ClickHouse
from consumer.container import Framer, Piece, container, new_canary
from consumer.errors import RecordsRefusedError
from consumer.plans import Plans
from consumer.writer_schema import zigzag
from schemas.names import Names
from tests.integration.consumer.tables import FRAME, PLACE, SYNC, FewSchemas, Table, body
from tests.unit.consumer.avro_strategies import records

EXAMPLES = int(os.environ.get("INGEST_TEST_EXAMPLES", "40"))


def _same(avro: Any, found: Any) -> bool:
    """Whether ClickHouse's value is the one that fastavro read; an absent list is an empty one there."""
    if avro is None:
        return found is None or found in ([], {})
    if isinstance(avro, float):
        return (math.isnan(avro) and math.isnan(found)) or (
            avro == found and math.copysign(1, avro) == math.copysign(1, found)
        )
    if isinstance(avro, str):
        return bool(found == avro.encode() or found == avro)
    if isinstance(avro, dict):
        plain = {key.decode() if isinstance(key, bytes) else key: value for key, value in found.items()}
        return plain.keys() == avro.keys() and all(_same(avro[key], plain[key]) for key in avro)
    if isinstance(avro, list):
        return len(avro) == len(found) and all(map(_same, avro, found))
    return bool(avro == found)


@example_settings(
    max_examples=EXAMPLES,
    suppress_health_check=[
        *example_settings().suppress_health_check,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(made=records())
def test_undecoded_records_have_the_values_that_fastavro_reads(
    clickhouse: ClickHouse, made: tuple[dict[str, Any], list[dict[str, Any]]]
) -> None:
    schema, written = made
    bodies = [body(schema, record) for record in written]
    table = Table(clickhouse, schema)
    assert not table.plan.decode
    table.insert(bodies)
    names = [field["name"] for field in schema["fields"]]
    found = table.rows()
    assert len(found) == len(bodies)
    parsed = fastavro.parse_schema(schema)
    for one, row in zip(bodies, found, strict=True):
        expected = fastavro.schemaless_reader(io.BytesIO(one), parsed, None)
        assert isinstance(expected, dict)
        for name in names:
            assert _same(expected[name], row[name]), (schema, name, expected[name], row[name])


LOGICAL: list[tuple[str, Any, Any, Any]] = [
    ("date", {"type": "int", "logicalType": "date"}, date(1960, 2, 29), date(1960, 2, 29)),
    (
        "micros",
        {"type": "long", "logicalType": "timestamp-micros"},
        datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(2024, 1, 2, 3, 4, 5, 678901),  # noqa: DTZ001 - UTC is what the column says
    ),
    (
        "local",
        {"type": "long", "logicalType": "local-timestamp-micros"},
        datetime(2024, 1, 2, 3, 4, 5),  # noqa: DTZ001
        datetime(2024, 1, 2, 3, 4, 5),  # noqa: DTZ001
    ),
    ("uuid", {"type": "string", "logicalType": "uuid"}, uuid.UUID(int=77), uuid.UUID(int=77)),
    (
        "price",
        {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3},
        Decimal("-12345.678"),
        Decimal("-12345.678"),
    ),
    (
        "maybe_price",
        ["null", {"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 2}],
        None,
        None,
    ),
    ("either", ["null", "string", "long"], 4, 4),
    ("either_text", ["string", "boolean"], "yes", b"yes"),
    ("colour", {"type": "enum", "name": "C", "symbols": ["RED", "GREEN"]}, "GREEN", b"GREEN"),
    ("maybe_colour", ["null", "C"], None, None),
    ("no_list", ["null", {"type": "array", "items": "int"}], None, []),
    (
        "place",
        ["null", {"type": "record", "name": "P", "fields": [{"name": "lat", "type": "double"}]}],
        {"lat": 1.5},
        {"lat": 1.5},
    ),
    ("no_place", ["null", "P"], None, None),
]


def test_logical_types_unions_and_enums_arrive_as_what_they_mean(clickhouse: ClickHouse) -> None:
    fields = [{"name": name, "type": kind} for name, kind, _, _ in LOGICAL]
    schema = {"type": "record", "name": "R", "namespace": "n", "fields": fields}
    table = Table(clickhouse, schema)
    assert not table.plan.decode
    table.insert([body(schema, {name: value for name, _, value, _ in LOGICAL})])
    (row,) = table.rows()
    assert {name: row[name] for name, _, _, _ in LOGICAL} == {name: value for name, _, _, value in LOGICAL}


def test_a_schema_outside_the_gate_is_carried_as_text_beside_ordinary_columns(clickhouse: ClickHouse) -> None:
    node = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "v", "type": "int"}, {"name": "next", "type": ["null", "Node"]}],
    }
    fields = [
        {"name": "a", "type": "double"},
        {"name": "list", "type": node},
        {"name": "z", "type": "string"},
    ]
    schema = {"type": "record", "name": "R", "fields": fields}
    table = Table(clickhouse, schema)
    assert table.plan.decode
    table.insert([body(schema, {"a": -0.0, "list": {"v": 1, "next": {"v": 2, "next": None}}, "z": "end"})])
    (row,) = table.rows()
    assert json.loads(row["list"]) == {"v": 1, "next": {"v": 2, "next": None}}
    assert (math.copysign(1, row["a"]), row["z"]) == (-1, b"end")


def test_where_a_row_stood_in_the_log_is_exact(clickhouse: ClickHouse) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}
    table = Table(clickhouse, schema)
    offset = 2**53 - 1
    table.insert([body(schema, {"x": 1})], offset)
    (row,) = table.rows("_epoch, _partition, _offset, toUnixTimestamp64Milli(_log_time) AS at")
    assert row == {"_epoch": 2**64 - 1, "_partition": 3, "_offset": offset, "at": min(2**53, 1000 * offset)}


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        ("int", 5, 5),
        ("string", "it's", b"it's"),
        ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
        ({"type": "map", "values": "int"}, {"a": 1}, {"a": 1}),
        ("boolean", True, True),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", b"B"),
        ({"type": "long", "logicalType": "timestamp-micros"}, 86_400_000_000, datetime(1970, 1, 2)),  # noqa: DTZ001
        ({"type": "int", "logicalType": "date"}, 1, date(1970, 1, 2)),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
            "\u0004\u00d2",
            Decimal("12.34"),
        ),
        (["int", "string"], 7, 7),
        (
            {"type": "record", "name": "P", "fields": [{"name": "lat", "type": "double"}]},
            {"lat": 2.5},
            {"lat": 2.5},
        ),
        (["string", "null"], "text", b"text"),
        (["null", "string"], None, None),
    ],
)
def test_records_from_before_a_field_have_its_default(
    clickhouse: ClickHouse, kind: Any, default: Any, expected: Any
) -> None:
    """Avro's rule for reading old records with a new schema holds, whenever they were loaded."""
    old = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}
    new = {**old, "fields": [*old["fields"], {"name": "added", "type": kind, "default": default}]}
    table = Table(clickhouse, old)
    table.insert([body(old, {"x": 1})])
    Plans(FewSchemas(new), clickhouse, Names()).plan(f"ingest.{table.source}", FRAME)
    table.insert([body(old, {"x": 2})], 1)
    assert [_plain(row["added"]) for row in table.rows()] == [expected, expected]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.decode() if isinstance(key, bytes) else key: inner for key, inner in value.items()}
    return value


def test_epochs_before_1970_and_far_dates_fit_the_partitions(clickhouse: ClickHouse) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}
    table = Table(clickhouse, schema)
    framer = Framer(new_canary(os.urandom), FRAME, SYNC)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    times = [int((start + timedelta(days=31 * month)).timestamp() * 1000) for month in range(150)]
    times += [-1, -(2**53), 2**53]
    block = framer.block(PLACE, range(len(times)), times, [FRAME + body(schema, {"x": 1})] * len(times))
    for _ in range(2):
        parts = container(table.plan.header, SYNC, [Piece(block, 0, block.rows)])
        clickhouse.insert(table.plan.into, parts, os.urandom(4).hex())
    assert len(table.rows("_offset")) == len(times)


HOSTILE = [
    "select",
    "a`b",
    "it's",
    'say "x"',
    "größe",
    "a b",
    "a.b",
    "x; DROP TABLE y",
    "back\\slash",
    "😀",
    "\n",
]


def test_hostile_field_names_are_only_names(clickhouse: ClickHouse) -> None:
    def schema(names: list[str]) -> dict[str, Any]:
        # clickhouse-connect cannot read a tuple with a newline in a name, which is no fault of ours.
        inner = [{"name": name, "type": "int"} for name in names if name != "\n"]
        nested = {"type": "record", "name": "N", "fields": inner}
        fields = [{"name": name, "type": "int", "doc": f"{name} '; --"} for name in names]
        return {"type": "record", "name": "R", "fields": [*fields, {"name": "nested", "type": nested}]}

    plain = [f"f{number}" for number in range(len(HOSTILE))]
    values = dict(zip(plain, range(len(HOSTILE)), strict=True))
    table = Table(clickhouse, schema(HOSTILE))
    table.insert([body(schema(plain), {**values, "nested": values})[:-1]])
    (row,) = table.rows()
    expected = dict(zip(HOSTILE, range(len(HOSTILE)), strict=True))
    assert {name: row[name] for name in HOSTILE} == expected
    assert _plain(row["nested"]) == {name: value for name, value in expected.items() if name != "\n"}
    # Looked at again by a loader that has just started, the table still fits.
    Plans(FewSchemas(schema(HOSTILE)), clickhouse, Names()).plan(f"ingest.{table.source}", FRAME)


@pytest.mark.parametrize("name", ["CON", "Select", "a--b"])
def test_hostile_table_names_are_only_names(clickhouse: ClickHouse, name: str) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}
    Plans(FewSchemas(schema), clickhouse, Names()).plan(f"ingest.{name}", FRAME)
    assert clickhouse.rows(f"SELECT count() FROM `{clickhouse.database}`.`{name}`") == [(0,)]


@pytest.mark.parametrize(
    ("kind", "branch", "value", "loads"),
    [
        (["null", "string"], 2, b"", True),
        (["null", "string"], -1, b"", True),
        (["null", "string"], 2, b"\2a", False),
        (["null", {"type": "array", "items": "int"}], 5, b"", True),
        (["null", {"type": "array", "items": "int"}], 5, b"\2\2\0", False),
        (["null", "string", "long"], 3, b"", False),
        (["null", "string", "long"], -1, b"", False),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, 1, b"", False),
    ],
)
def test_a_branch_that_is_in_no_schema(
    clickhouse: ClickHouse, kind: Any, branch: int, value: bytes, loads: bool
) -> None:
    """Documented for operators: with no value behind it, it reads as null where null is a branch."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}
    table = Table(clickhouse, schema)
    if loads:
        table.insert([zigzag(branch) + value])
        assert [row["x"] for row in table.rows()] in ([None], [[]])
    else:
        with pytest.raises(RecordsRefusedError):
            table.insert([zigzag(branch) + value])
