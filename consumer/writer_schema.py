"""The Avro schema of a container: the loader's own fields around those of a source's record.

Leaves the rows to `container`. What each field of ours is for stands there.
"""

import json
from collections.abc import Sequence
from typing import Any

from consumer.schema_tree import Array, Enum, Fixed, Map, Node, Primitive, Record, Union
from schemas.wire import FRAME_SIZE

CANARY_SIZE = 8
SYNC_SIZE = 16


def zigzag(number: int) -> bytes:
    """An Avro int or long."""
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def header(record: Record, columns: Sequence[str]) -> bytes:
    """The container's header for a writer's record; its fields are named as the `columns` that take them.

    The sync marker that ends it is the batch's own.
    """
    # Not as escapes: the engine's reader makes two halves of a character beyond 16 bits, and a name of them.
    schema = json.dumps(writer_schema(record, columns), ensure_ascii=False).encode(errors="replace")
    return b"".join(
        (
            b"Obj\x01",
            zigzag(2),
            _prefixed(b"avro.schema"),
            _prefixed(schema),
            _prefixed(b"avro.codec"),
            _prefixed(b"null"),
            zigzag(0),
        )
    )


def _prefixed(value: bytes) -> bytes:
    return zigzag(len(value)) + value


# In the order of the wire; `_frame` is the message's own first bytes.
BEFORE: tuple[tuple[str, Any], ...] = (
    ("_canary_a", {"type": "fixed", "name": "canary", "size": CANARY_SIZE}),
    ("_ver", "long"),
    ("_epoch", "long"),
    ("_partition", "int"),
    ("_want", {"type": "fixed", "name": "frame", "size": FRAME_SIZE}),
    ("_offset", "double"),
    ("_log_time", "double"),
    ("_frame", "frame"),
)
AFTER: tuple[tuple[str, Any], ...] = (("_canary_b", "canary"),)


def writer_schema(record: Record, columns: Sequence[str]) -> dict[str, Any]:
    """The Avro schema of a container's rows, in the fewest words: no docs, no defaults, names of our own."""
    namer = _Namer()
    middle = [(column, namer.json(entry.type)) for column, entry in zip(columns, record.fields, strict=True)]
    fields = [{"name": name, "type": kind} for name, kind in (*BEFORE, *middle, *AFTER)]
    return {"type": "record", "name": "row", "fields": fields}


class _Namer:
    """Writes trees as Avro JSON; each named type gets a name of its own, as names are not on the wire."""

    def __init__(self) -> None:
        self._count = 0

    def json(self, node: Node) -> Any:
        match node:
            case Primitive():
                return _with_logical(node, {"type": node.kind}) if node.logical else node.kind
            case Fixed():
                return _with_logical(node, {"type": "fixed", "name": self._name(), "size": node.size})
            case Enum():
                return {"type": "enum", "name": self._name(), "symbols": list(node.symbols)}
            case Array():
                return {"type": "array", "items": self.json(node.items)}
            case Map():
                return {"type": "map", "values": self.json(node.values)}
            case Union():
                return [self.json(branch) for branch in node.branches]
            case Record():
                name = self._name()
                fields = [{"name": entry.name, "type": self.json(entry.type)} for entry in node.fields]
                return {"type": "record", "name": name, "fields": fields}
            case _:
                raise TypeError(f"{node} did not pass the gate")

    def _name(self) -> str:
        self._count += 1
        return f"t{self._count}"


# Those that the engine's reader looks at when it chooses types; any other only gives it a chance to object.
_KEPT = frozenset({"decimal", "date", "timestamp-millis", "timestamp-micros", "uuid"})


def _with_logical(node: Primitive | Fixed, schema: dict[str, Any]) -> Any:
    if node.logical not in _KEPT:
        return schema if "name" in schema else schema["type"]
    schema["logicalType"] = node.logical
    if node.logical == "decimal":
        schema |= {"precision": node.precision, "scale": node.scale}
    return schema
