"""The reference for record ids: texts of key fields, and the hash of a payload's Avro bytes."""

import io
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import fastavro

from schemas.avro_types import field_types
from schemas.datum import read, to_datum
from schemas.shapes import Field, Record, Scalar, ScalarKind

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


def key_text(field: Field, record: Any, path: str) -> str:
    """One key field's text within an id, with ":" and "\\" escaped; raises UnfitValueError."""
    datum = to_datum(field.shape, read(field, record, path), f"{path}.{field.name}")
    text = _text(field, datum)
    if isinstance(field.shape, Scalar) and field.shape.kind in CLOCKS:
        return text
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _text(field: Field, datum: Any) -> str:
    match field.shape:
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
