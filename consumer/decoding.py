"""Reads records whose schema did not pass the gate, and writes the fields in question as JSON text.

Fields with a column of their own are copied byte for byte, so that they mean exactly what they mean on the
undecoded path. Written by hand and in Python on purpose: these bytes come from anywhere, and a C decoder can
be crashed by a deep or counted-up body, which would take all topics of the process with it. Here depth and
work are limited, and every byte must be used.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from consumer.errors import ConsumerError
from consumer.schema_tree import (
    Array,
    Enum,
    Fixed,
    Map,
    Node,
    Primitive,
    Record,
    Reference,
    SourceSchema,
    Union,
)
from consumer.writer_schema import zigzag

MAX_DEPTH = 100
# Values that take no bytes; without a limit a list of them has no end.
MAX_WEIGHTLESS = 10_000
_FLOAT = struct.Struct("<f")
_DOUBLE = struct.Struct("<d")


class UndecodableError(ConsumerError):
    """These bytes are no record of their schema."""


class RecordDecoder:
    """Turns bodies of one schema into bodies of the schema that passed the gate. For several threads."""

    def __init__(self, schema: SourceSchema, as_text: Iterable[str]) -> None:
        self._fields = schema.written.fields
        self._named = schema.named
        self._as_text = frozenset(as_text)

    def decode(self, body: bytes) -> bytes:
        """The same record with its refused fields as JSON text; raises UndecodableError."""
        reader = _Reader(body, self._named)
        out: list[bytes] = []
        try:
            for entry in self._fields:
                start = reader.at
                value = reader.value(entry.type, 0)
                if entry.name in self._as_text:
                    text = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
                    out.append(zigzag(len(text)) + text)
                else:
                    out.append(body[start : reader.at])
        except (IndexError, struct.error) as exc:
            raise UndecodableError("the record ends before its schema does") from exc
        except (UnicodeError, ValueError) as exc:
            raise UndecodableError(f"the record holds text that is not text: {exc}") from exc
        if reader.at < len(body):
            raise UndecodableError(f"{len(body) - reader.at} bytes are left over after the record")
        return b"".join(out)


class _Reader:
    """Reads Avro values from one body; `at` is the position."""

    def __init__(self, body: bytes, named: Mapping[str, Node]) -> None:
        self.at = 0
        self._body = body
        self._named = named
        self._values_left = len(body) + MAX_WEIGHTLESS

    def value(self, node: Node, depth: int) -> Any:
        """One value, as JSON has it: bytes as text of their code points, no tags on unions."""
        self._values_left -= 1
        if self._values_left < 0 or depth > MAX_DEPTH:
            raise UndecodableError(f"the record has more values than bytes, or more than {MAX_DEPTH} levels")
        match node:
            case Primitive():
                return self._primitive(node.kind)
            case Fixed():
                return self._take(node.size).decode("latin-1")
            case Enum():
                return _choose(node.symbols, self._long(), "symbol")
            case Array():
                return [self.value(node.items, depth + 1) for _ in self._blocks()]
            case Map():
                return {self._text(): self.value(node.values, depth + 1) for _ in self._blocks()}
            case Union():
                return self.value(_choose(node.branches, self._long(), "union branch"), depth + 1)
            case Record():
                return {entry.name: self.value(entry.type, depth + 1) for entry in node.fields}
            case Reference():
                return self.value(self._named[node.name], depth + 1)
            case _:
                raise UndecodableError(f"the schema has a part that cannot be read: {node}")

    def _primitive(self, kind: str) -> Any:
        match kind:
            case "null":
                return None
            case "boolean":
                return bool(_choose((0, 1), self._take(1)[0], "boolean"))
            case "int" | "long":
                return self._long()
            case "float":
                return _number(_FLOAT.unpack(self._take(4))[0])
            case "double":
                return _number(_DOUBLE.unpack(self._take(8))[0])
            case "string":
                return self._text()
            case _:
                return self._take(self._long()).decode("latin-1")

    def _blocks(self) -> Iterable[int]:
        """Counts the items of a list or map; a negative count is followed by a size that nobody needs."""
        while count := self._long():
            if count < 0:
                self._long()
            yield from range(abs(count))

    def _text(self) -> str:
        return self._take(self._long()).decode()

    def _long(self) -> int:
        result = shift = 0
        while True:
            byte = self._body[self.at]
            self.at += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 63:
                raise UndecodableError("the record holds a number of more than 64 bits")
        return (result >> 1) ^ -(result & 1)

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if size < 0 or end > len(self._body):
            raise UndecodableError(f"the record has a length of {size} where its bytes end before that")
        taken = self._body[self.at : end]
        self.at = end
        return taken


def _choose(among: tuple[Any, ...], index: int, what: str) -> Any:
    if not 0 <= index < len(among):
        raise UndecodableError(f"the record names {what} {index} of {len(among)}")
    return among[index]


def _number(value: float) -> float | str:
    # JSON has no NaN and no infinity.
    return value if abs(value) < float("inf") else str(value)
