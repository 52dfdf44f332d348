"""The reference for record ids: texts of key fields, and the hash of a payload's Avro bytes."""

import io
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import fastavro

from schemas.avro_types import field_types
from schemas.datum import to_datum
from schemas.shapes import Record, Scalar, ScalarKind, Shape

ID_BYTES = 16

# Their texts hold two colons each, always, so an id stays readable without escapes and can still be taken
# apart.
CLOCKS: tuple[ScalarKind, ...] = ("instant", "local_instant", "time")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def payload_id(shape: Record, record: Any, path: str) -> str:
    """128 bits of BLAKE2b over the payload's Avro bytes, the envelope excluded, as 32 hex digits."""
    return blake2b(payload_bytes(shape, record, path), digest_size=ID_BYTES).hexdigest()


def payload_bytes(shape: Record, record: Any, path: str) -> bytes:
    """The payload as fastavro writes it; raises UnfitValueError."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _schema(shape), to_datum(shape, record, path))
    return out.getvalue()


@lru_cache(maxsize=256)
def _schema(shape: Record) -> Any:
    fields = field_types(shape.fields, shape.cls.__name__, "")
    return fastavro.parse_schema({"type": "record", "name": shape.name, "fields": fields})


def key_text(shape: Shape, value: Any, path: str) -> str:
    """A key field's text within an id, with ":" and "\\" escaped; raises UnfitValueError."""
    text = _text(shape, to_datum(shape, value, path))
    if isinstance(shape, Scalar) and shape.kind in CLOCKS:
        return text
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _text(shape: Shape, datum: Any) -> str:
    match shape:
        case Scalar("instant"):
            return (_EPOCH + timedelta(microseconds=datum)).replace(tzinfo=None).isoformat() + "Z"
        case Scalar("local_instant"):
            return (_EPOCH + timedelta(microseconds=datum)).replace(tzinfo=None).isoformat()
        case Scalar("date"):
            return (_EPOCH + timedelta(days=datum)).date().isoformat()
        case Scalar("time"):
            return (_EPOCH + timedelta(microseconds=datum)).time().isoformat()
        case Scalar("boolean"):
            return "true" if datum else "false"
        case Scalar("bytes" | "secret_bytes"):
            return str(datum.hex())
        case _:
            return f"{datum:f}" if hasattr(datum, "as_tuple") else str(datum)
