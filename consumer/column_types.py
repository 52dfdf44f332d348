"""Which ClickHouse type carries which Avro type without decoding, and Avro defaults as SQL.

Type names are written exactly as ClickHouse writes them back, so that a table can be compared with a schema.
An engine's reader fixes much here: it takes an Avro union of several types only for a Variant of exactly the
types it would infer itself, hence `inferred`.
"""

import json
import re
from typing import Any

from consumer import sql
from consumer.schema_tree import (
    MISSING,
    Array,
    Enum,
    Fixed,
    Map,
    Node,
    Opaque,
    Primitive,
    Record,
    Reference,
    Union,
)

_PLAIN = {
    "boolean": "Bool",
    "int": "Int32",
    "long": "Int64",
    "float": "Float32",
    "double": "Float64",
    "bytes": "String",
    "string": "String",
}
_TIMES = {
    ("int", "date"): "Date32",
    # A local time has no zone; shown in UTC it reads as it was written.
    **{("long", f"{local}timestamp-millis"): "DateTime64(3, 'UTC')" for local in ("", "local-")},
    **{("long", f"{local}timestamp-micros"): "DateTime64(6, 'UTC')" for local in ("", "local-")},
    **{("long", f"{local}timestamp-nanos"): "DateTime64(9, 'UTC')" for local in ("", "local-")},
    ("string", "uuid"): "UUID",
}
_INFERRED_TIMES = {
    ("int", "date"): "Date32",
    ("long", "timestamp-millis"): "DateTime64(3)",
    ("long", "timestamp-micros"): "DateTime64(6)",
    ("string", "uuid"): "UUID",
}
_MAX_PRECISION = 76
_MAX_FIXED = 65536
_MAX_VARIANTS = 254
_ENUM8, _ENUM16 = 128, 32768
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class UnmappableError(Exception):
    """No column type can take these bytes as they are; the message completes "it is …"."""


def column_type(node: Node, *, inferred: bool = False) -> str:
    """The ClickHouse type that reads `node` from Avro; raises UnmappableError."""
    match node:
        case Primitive():
            return _primitive(node, inferred)
        case Fixed():
            return _fixed(node, inferred)
        case Enum():
            return _enum(node.symbols) if inferred else "String"
        case Array():
            return f"Array({column_type(node.items, inferred=inferred)})"
        case Map():
            return f"Map(String, {column_type(node.values, inferred=inferred)})"
        case Record():
            return _tuple(node, inferred)
        case Union():
            return _union(node, inferred)
        case Opaque():
            raise UnmappableError(node.why)
        case Reference():
            raise UnmappableError(f"a reference to {node.name}")


def _primitive(node: Primitive, inferred: bool) -> str:
    if node.kind == "null":
        raise UnmappableError("always null")
    if node.logical == "decimal" and node.kind == "bytes":
        return _decimal(node.precision, node.scale)
    times = _INFERRED_TIMES if inferred else _TIMES
    return times.get((node.kind, node.logical), _PLAIN[node.kind])


def _fixed(node: Fixed, inferred: bool) -> str:
    if not 0 < node.size <= _MAX_FIXED:
        raise UnmappableError(f"a fixed of {node.size} bytes; 1 to {_MAX_FIXED} can be columns")
    if node.logical == "decimal":
        if node.size > _decimal_bytes(node.precision):
            raise UnmappableError(f"a decimal of {node.precision} digits in {node.size} bytes")
        return _decimal(node.precision, node.scale)
    if node.logical == "uuid" and inferred:
        raise UnmappableError("a uuid as bytes within a union")
    return f"FixedString({node.size})"


def _decimal(precision: int, scale: int) -> str:
    if precision > _MAX_PRECISION:
        raise UnmappableError(f"a decimal of {precision} digits; ClickHouse has {_MAX_PRECISION}")
    return f"Decimal({precision}, {scale})"


def _decimal_bytes(precision: int) -> int:
    return next(size for digits, size in ((9, 4), (18, 8), (38, 16), (10_000, 32)) if precision <= digits)


def _enum(symbols: tuple[str, ...]) -> str:
    if not 0 < len(symbols) < _ENUM16:
        raise UnmappableError(f"an enum of {len(symbols)} symbols")
    values = ", ".join(f"{sql.text(symbol)} = {number}" for number, symbol in enumerate(symbols))
    return f"{'Enum8' if len(symbols) < _ENUM8 else 'Enum16'}({values})"


def _tuple(node: Record, inferred: bool) -> str:
    if not node.fields:
        raise UnmappableError("a record without fields")
    parts = (f"{_element(field.name)} {column_type(field.type, inferred=inferred)}" for field in node.fields)
    return f"Tuple({', '.join(parts)})"


def _element(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) and name.lower() != "null" else sql.identifier(name)


def _union(node: Union, inferred: bool) -> str:
    kinds = [branch for branch in node.branches if branch != Primitive("null")]
    if not kinds:
        raise UnmappableError("a union without a type")
    if len(node.branches) == 1:
        return column_type(kinds[0], inferred=inferred)
    if len(kinds) == 1 and len(node.branches) == 2:
        return _nullable(kinds[0], inferred)
    types = sorted(column_type(kind, inferred=True) for kind in kinds)
    if len(set(types)) < len(types) or len(types) > _MAX_VARIANTS:
        raise UnmappableError("a union of types that ClickHouse cannot tell apart")
    if len(kinds) < len(node.branches) - 1:
        raise UnmappableError("a union with null twice")
    return f"Variant({', '.join(types)})"


def _nullable(node: Node, inferred: bool) -> str:
    inner = column_type(node, inferred=inferred)
    # ClickHouse has no Nullable(Array) or Nullable(Map): an absent list is an empty list there.
    return inner if isinstance(node, Array | Map) else f"Nullable({inner})"


def default_expression(default: Any, node: Node, type_name: str) -> str | None:
    """An Avro default as SQL of type `type_name`; None where it is null, missing, or of another type."""
    if default is MISSING or default is None:
        return None
    try:
        return f"CAST({_value(default, node)}, {sql.text(type_name)})"
    except (KeyError, TypeError, ValueError, AttributeError, UnmappableError):
        return None


def _value(value: Any, node: Node) -> str:
    match node:
        case Union():
            first = node.branches[0]
            return f"CAST({_value(value, first)}, {sql.text(column_type(first, inferred=True))})"
        case Array():
            return f"[{', '.join(_value(item, node.items) for item in list(value))}]"
        case Map():
            pairs = (f"{sql.text(key)}, {_value(item, node.values)}" for key, item in value.items())
            return f"map({', '.join(pairs)})"
        case Record():
            return f"tuple({', '.join(_value(value[entry.name], entry.type) for entry in node.fields)})"
        case Enum():
            return sql.text(str(value))
        case Fixed():
            return _scalar(value, "bytes", node.logical, node.scale)
        case Primitive():
            return _scalar(value, node.kind, node.logical, node.scale)
        case _:
            raise UnmappableError("without a value in SQL")


_SINCE_EPOCH = {"millis": "Milli", "micros": "Micro", "nanos": "Nano"}


def _scalar(value: Any, kind: str, logical: str, scale: int) -> str:
    if kind == "boolean":
        return str(bool(value)).lower()
    if kind == "string":
        return sql.text(str(value))
    if kind == "bytes":
        raw = str(value).encode("latin-1")
        if logical == "decimal":
            return sql.text(f"{int.from_bytes(raw, 'big', signed=True)}e-{scale}")
        return f"unhex('{raw.hex()}')"
    if kind in ("float", "double"):
        return repr(float(value))
    if logical == "date":
        return f"addDays(toDate32('1970-01-01'), {int(value)})"
    if "timestamp-" in logical:
        unit = _SINCE_EPOCH[logical.rpartition("-")[2]]
        return f"fromUnixTimestamp64{unit}(toInt64({int(value)}), 'UTC')"
    return str(int(value))


def as_json(default: Any) -> str | None:
    """The SQL default of a field that is carried as JSON text."""
    return None if default is MISSING else sql.text(json.dumps(default))
