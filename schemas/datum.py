"""The reference: a Python value to the datum that fastavro writes, or the path of what does not fit.

The compiled encoder must give the same bytes; where it stumbles, this module says over what. Speed is not
its aim.
"""

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any

import fastavro
from pydantic_core import to_jsonable_python

from schemas.errors import UnfitValueError
from schemas.shapes import (
    Array,
    Choice,
    Dispatch,
    Field,
    Fixed,
    Map,
    Null,
    Record,
    Root,
    Scalar,
    ScalarKind,
    Shape,
    Union,
    avro_name,
    leaf_type,
    python_classes,
)

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_datum(shape: Shape, value: Any, path: str, namespace: str = "") -> Any:
    """The datum of `value` for fastavro's writer; union members carry their branch's name (tuple notation).

    `namespace` is that of the schema. Raises UnfitValueError with the path below `path` where a value does
    not fit.
    """
    match shape:
        case Scalar():
            return _leaf(_SCALARS[shape.kind], shape, value, path)
        case Fixed():
            return _leaf(lambda v: _decimal(shape, v), shape, value, path)
        case Choice():
            return _choice(shape, value, path)
        case Null():
            return _leaf(lambda _: None, shape, value, path)
        case Array():
            return _array(shape, value, path, namespace)
        case Map():
            return _map(shape, value, path, namespace)
        case Union():
            return _union(shape, value, path, namespace)
        case Root():
            return to_datum(shape.inner, _leaf(lambda v: v.root, shape, value, path), path, namespace)
        case Record():
            _leaf(lambda v: v, shape, value, path)
            return {
                f.wire: to_datum(f.shape, read(f, value, path), f"{path}.{f.name}", namespace)
                for f in shape.fields
            }


def read(field: Field, record: Any, path: str) -> Any:
    """The value of one field of a model; raises UnfitValueError where it is missing or cannot be computed."""
    if not field.computed:
        if field.name not in record.__dict__:
            raise UnfitValueError(f"{path}.{field.name}", "is missing")
        return record.__dict__[field.name]
    try:
        return getattr(record, field.name)
    except Exception as exc:
        raise UnfitValueError(f"{path}.{field.name}", f"could not be computed: {exc!r}") from exc


def json_text(value: Any) -> str:
    """`value` as JSON text, the same for equal values: keys sorted, no spaces, no NaN."""
    return json.dumps(
        value, default=_jsonable, allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )


def _jsonable(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value, key=json_text)
    return to_jsonable_python(value)


def _leaf(convert: Callable[[Any], Any], shape: Shape, value: Any, path: str) -> Any:
    classes = python_classes(shape)
    if not isinstance(value, classes):
        names = " or ".join(dict.fromkeys(cls.__name__ for cls in classes))
        raise UnfitValueError(path, f"is a {type(value).__name__}, not a {names}")
    try:
        return convert(value)
    except UnicodeEncodeError as exc:
        raise UnfitValueError(path, f"is text that UTF-8 cannot carry ({exc.reason})") from exc
    except (ValueError, TypeError, OverflowError, RecursionError) as exc:
        why = str(exc) if str(exc).startswith("is ") else f"cannot be written: {exc}"
        raise UnfitValueError(path, why) from exc


def _long(value: int) -> int:
    if not LONG_MIN <= value <= LONG_MAX:
        raise ValueError("is beyond 64 bits")
    return int(value)


def _text(value: str) -> str:
    return value.encode().decode()


def _instant(value: datetime) -> int:
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def _local_instant(value: datetime) -> int:
    if value.tzinfo is not None:
        raise ValueError("is a datetime with a zone in a field declared without one")
    return _instant(value)


def _date(value: date) -> int:
    if isinstance(value, datetime):
        raise ValueError("is a datetime, not a date")
    return value.toordinal() - _EPOCH.toordinal()


def _time(value: time) -> int:
    if value.utcoffset():
        raise ValueError("is a time of day with an offset, which Avro would lose: convert it to UTC")
    if value.tzinfo is not None and value.utcoffset() is None:
        raise ValueError("is a time of day in a zone whose offset depends on the date")
    return (datetime.combine(_EPOCH, value.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


_SCALARS: dict[ScalarKind, Callable[[Any], Any]] = {
    "boolean": bool,
    "long": _long,
    "double": float,
    "string": _text,
    "bytes": bytes,
    "instant": _instant,
    "local_instant": _local_instant,
    "date": _date,
    "time": _time,
    "duration": lambda value: _long(value // _MICROSECOND),
    "uuid": str,
    "text": lambda value: _text(str(value)),
    "secret": lambda value: _text(value.get_secret_value()),
    "secret_bytes": lambda value: value.get_secret_value(),
    "json": lambda value: _text(json_text(value)),
}


def _decimal(shape: Fixed, value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError(f"is {value}, and Avro decimals are finite")
    exact = Context(prec=shape.precision, traps=[Inexact, InvalidOperation])
    try:
        return value.quantize(Decimal(1).scaleb(-shape.scale), context=exact)
    except (Inexact, InvalidOperation) as exc:
        raise ValueError(
            f"is {value}, more than {shape.precision} digits with {shape.scale} after the point"
        ) from exc


def _choice(shape: Choice, value: Any, path: str) -> Any:
    for member, wire in shape.members:
        if value is member or value == wire:
            return wire
    allowed = ", ".join(repr(wire) for _, wire in shape.members)
    raise UnfitValueError(path, f"is {value!r}, not one of {allowed}")


def _array(shape: Array, value: Any, path: str, namespace: str) -> list[Any]:
    _leaf(lambda v: v, shape, value, path)
    items = [to_datum(shape.items, item, f"{path}[{index}]", namespace) for index, item in enumerate(value)]
    return sorted(items, key=lambda item: _written(shape.items, item)) if shape.unordered else items


def _written(shape: Shape, datum: Any) -> bytes:
    assert isinstance(shape, Scalar | Fixed | Choice)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, leaf_type(shape), datum)
    return out.getvalue()


_KEY = Scalar("string", (str,))


def _map(shape: Map, value: Any, path: str, namespace: str) -> dict[str, Any]:
    items = _leaf(lambda v: v.items(), shape, value, path)
    texts = {_leaf(_text, _KEY, key, f"{path}[{key!r}]"): item for key, item in items}
    return {key: to_datum(shape.values, texts[key], f"{path}[{key!r}]", namespace) for key in sorted(texts)}


def _union(shape: Union, value: Any, path: str, namespace: str) -> tuple[str, Any]:
    branch = _leaf(lambda v: shape.branches[Dispatch(shape)[type(v)]], shape, value, path)
    name = avro_name(branch)
    if isinstance(branch, Record) or (isinstance(branch, Choice) and branch.avro == "enum"):
        name = f"{namespace}.{name}" if namespace else name
    return name, to_datum(branch, value, path, namespace)
