"""Shapes to Avro type declarations, defaults included."""

import math
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

from schemas.datum import to_datum
from schemas.errors import UnfitValueError, UnmappableFieldError
from schemas.shapes import (
    UNSET,
    Array,
    Choice,
    Field,
    Fixed,
    Map,
    Null,
    Record,
    Root,
    Scalar,
    Shape,
    Union,
    avro_name,
    leaf_type,
)


def field_types(fields: Sequence[Field], path: str, namespace: str) -> list[dict[str, Any]]:
    """The "fields" of a record at `path`: a named type is written out where it first occurs.

    Raises UnmappableFieldError where a default cannot be stated in a schema.
    """
    return _Declarations(namespace).fields(fields, path)


class _Declarations:
    """Named types that one schema has declared already."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._declared: set[str] = set()

    def fields(self, fields: Sequence[Field], path: str) -> list[dict[str, Any]]:
        return [self._field(field, f"{path}.{field.name}") for field in fields]

    def _field(self, field: Field, path: str) -> dict[str, Any]:
        declared: dict[str, Any] = {"name": field.wire, "type": self._type(field.shape, path)}
        if field.default is not UNSET:
            declared["default"] = _default(field, path)
        elif isinstance(field.shape, Union) and field.shape.branches[0] == Null():
            # Readers of older records need a value for a field those did not have.
            declared["default"] = None
        if field.doc:
            declared["doc"] = field.doc
        if field.aliases:
            declared["aliases"] = list(field.aliases)
        return declared

    def _type(self, shape: Shape, path: str) -> Any:
        match shape:
            case Scalar() | Fixed():
                return leaf_type(shape)
            case Choice():
                return self._once(shape.name, leaf_type(shape)) if shape.avro == "enum" else shape.avro
            case Null():
                return "null"
            case Array():
                return {"type": "array", "items": self._type(shape.items, f"{path}[]")}
            case Map():
                return {"type": "map", "values": self._type(shape.values, f"{path}[]")}
            case Union():
                return [self._type(branch, path) for branch in shape.branches]
            case Root():
                return self._type(shape.inner, path)
            case Record():
                return self._record(shape, path)

    def _record(self, shape: Record, path: str) -> Any:
        if shape.name in self._declared:
            return self._full(shape.name)
        doc = {"doc": shape.doc} if shape.doc else {}
        self._declared.add(shape.name)
        return {"type": "record", "name": shape.name, **doc, "fields": self.fields(shape.fields, path)}

    def _once(self, name: str, declaration: Any) -> Any:
        if name in self._declared:
            return self._full(name)
        self._declared.add(name)
        return declaration

    def _full(self, name: str) -> str:
        return f"{self._namespace}.{name}" if self._namespace else name


def _default(field: Field, path: str) -> Any:
    try:
        return _json_default(field.shape, to_datum(field.shape, field.default, path), path)
    except UnfitValueError as exc:
        raise UnmappableFieldError(
            exc.path, f"is the default, which {exc.why}", "Change the default or the type, or drop it"
        ) from exc


def _json_default(shape: Shape, datum: Any, path: str) -> Any:
    """A datum as Avro writes defaults; raises UnfitValueError where JSON or Avro cannot state it."""
    match shape:
        case Fixed():
            return _unscaled(shape, datum).decode("latin-1")
        case Union():
            # Only the first branch of a union can be a default; `schemas.models` puts the field's own there.
            name, inner = datum
            if name != avro_name(shape.branches[0]):
                raise UnfitValueError(
                    path, "is not of the first member of a union, as Avro wants defaults to be"
                )
            return _json_default(shape.branches[0], inner, path)
        case Array():
            return [_json_default(shape.items, item, path) for item in datum]
        case Map():
            return {key: _json_default(shape.values, item, path) for key, item in datum.items()}
        case Root():
            return _json_default(shape.inner, datum, path)
        case Record():
            return {f.wire: _json_default(f.shape, datum[f.wire], path) for f in shape.fields}
        case _ if isinstance(datum, bytes):
            return datum.decode("latin-1")
        case _ if isinstance(datum, float) and not math.isfinite(datum):
            raise UnfitValueError(path, "is no number in JSON")
        case _:
            return datum


def _unscaled(shape: Fixed, datum: Decimal) -> bytes:
    number = int(datum.scaleb(shape.scale, Context(prec=shape.precision)))
    return number.to_bytes((number.bit_length() + 8) // 8, "big", signed=True)
