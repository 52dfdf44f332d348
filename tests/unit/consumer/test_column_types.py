from typing import Any

import pytest

from consumer.column_types import column_type, default_expression
from tests.unit.consumer.conftest import ReadSchema

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "it's"]}
PLACE = {
    "type": "record",
    "name": "Place",
    "fields": [{"name": "lat", "type": "double"}, {"name": "a b", "type": ["null", "string"]}],
}


@pytest.mark.parametrize(
    ("avro", "clickhouse"),
    [
        ("boolean", "Bool"),
        ("int", "Int32"),
        ("long", "Int64"),
        ("float", "Float32"),
        ("double", "Float64"),
        ("bytes", "String"),
        ("string", "String"),
        ({"type": "fixed", "name": "F", "size": 4}, "FixedString(4)"),
        ({"type": "fixed", "name": "F", "size": 16, "logicalType": "uuid"}, "FixedString(16)"),
        ({"type": "string", "logicalType": "uuid"}, "UUID"),
        ({"type": "int", "logicalType": "date"}, "Date32"),
        ({"type": "int", "logicalType": "time-millis"}, "Int32"),
        ({"type": "long", "logicalType": "time-micros"}, "Int64"),
        (MILLIS, "DateTime64(3, 'UTC')"),
        (MICROS, "DateTime64(6, 'UTC')"),
        ({"type": "long", "logicalType": "timestamp-nanos"}, "DateTime64(9, 'UTC')"),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, "DateTime64(6, 'UTC')"),
        (DECIMAL, "Decimal(10, 2)"),
        (
            {"type": "fixed", "name": "F", "size": 12, "logicalType": "decimal", "precision": 20},
            "Decimal(20, 0)",
        ),
        (COLOUR, "String"),
        (["null", "int"], "Nullable(Int32)"),
        (["int", "null"], "Nullable(Int32)"),
        (["int"], "Int32"),
        (["null", MICROS], "Nullable(DateTime64(6, 'UTC'))"),
        (["null", {"type": "array", "items": "int"}], "Array(Int32)"),
        (["null", {"type": "map", "values": "int"}], "Map(String, Int32)"),
        (["null", PLACE], "Nullable(Tuple(lat Float64, `a b` Nullable(String)))"),
        ({"type": "array", "items": ["null", "string"]}, "Array(Nullable(String))"),
        ({"type": "map", "values": {"type": "array", "items": "long"}}, "Map(String, Array(Int64))"),
        (["null", "string", "int"], "Variant(Int32, String)"),
        (["string", MICROS, COLOUR], "Variant(DateTime64(6), Enum8('RED' = 0, 'it\\'s' = 1), String)"),
        ([PLACE, "boolean"], "Variant(Bool, Tuple(lat Float64, `a b` Nullable(String)))"),
    ],
)
def test_each_avro_type_has_its_column_type(schema_of: ReadSchema, avro: Any, clickhouse: str) -> None:
    schema = schema_of({"name": "x", "type": avro})
    assert column_type(schema.record.fields[0].type) == clickhouse


@pytest.mark.parametrize(
    ("avro", "default", "expected"),
    [
        ("int", 5, "CAST(5, 'Int32')"),
        ("boolean", True, "CAST(true, 'Bool')"),
        ("double", 1.5, "CAST(1.5, 'Float64')"),
        ("string", "it's", "CAST('it\\'s', 'String')"),
        ("bytes", "\u00ff", "CAST(unhex('ff'), 'String')"),
        (DECIMAL, "\u0004\u00d2", "CAST('1234e-2', 'Decimal(10, 2)')"),
        (MICROS, 7, "CAST(fromUnixTimestamp64Micro(toInt64(7), 'UTC'), 'DateTime64(6, \\'UTC\\')')"),
        ({"type": "int", "logicalType": "date"}, 3, "CAST(addDays(toDate32('1970-01-01'), 3), 'Date32')"),
        ({"type": "array", "items": "int"}, [1, 2], "CAST([1, 2], 'Array(Int32)')"),
        ({"type": "map", "values": "int"}, {"a": 1}, "CAST(map('a', 1), 'Map(String, Int32)')"),
        (["null", "int"], None, None),
        (["int", "string"], 4, "CAST(CAST(4, 'Int32'), 'Variant(Int32, String)')"),
        ("int", "not a number", None),
        ("string", None, None),
    ],
)
def test_an_avro_default_becomes_sql(
    schema_of: ReadSchema, avro: Any, default: Any, expected: str | None
) -> None:
    entry = schema_of({"name": "x", "type": avro, "default": default}).record.fields[0]
    assert default_expression(entry.default, entry.type, column_type(entry.type)) == expected
