"""Confluent's wire format: a zero byte, the schema id in four bytes big-endian, then the Avro body."""

import struct

from schemas.errors import FramingError

FRAME_SIZE = 5

_HEAD = struct.Struct(">BI")
_PREVIEW = 16


def frame(schema_id: int, body: bytes) -> bytes:
    """The message value for an Avro body (pass b"" for the five framing bytes alone)."""
    return _HEAD.pack(0, schema_id) + body


def split_frame(value: bytes) -> tuple[int, bytes]:
    """The schema id and Avro body of a message value; raises FramingError when it does not carry them."""
    if len(value) < FRAME_SIZE:
        raise FramingError(
            f"value of {len(value)} bytes is too short for a framed Avro message ({FRAME_SIZE} and the body)"
        )
    magic, schema_id = _HEAD.unpack_from(value)
    if magic != 0:
        start = value[:_PREVIEW].hex(" ")
        raise FramingError(
            f"value starts with byte {magic:#04x}, not 0x00: it is not in Confluent's wire format ({start} …)"
        )
    return schema_id, value[FRAME_SIZE:]
