"""Avro schemas as trees: what is on the wire and in DDL, and nothing else.

A schema is kept twice: `written`, where a type used again is a `Reference`, and `record`, where every type
stands in its place as far as that comes to an end. Which of them may be loaded without decoding is for
`gate`, what column each becomes for `column_types`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from consumer.errors import SchemaUnusableError

MAX_DEPTH = 16
_MAX_WRITTEN_DEPTH = 100
# Types used in several places are repeated in the tree; a short hostile schema could make it huge.
MAX_NODES = 5000

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
MISSING: Any = object()


@dataclass(frozen=True)
class Primitive:
    """A primitive type; `precision` and `scale` only with logical type decimal."""

    kind: str
    logical: str = ""
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True)
class Fixed:
    """`size` bytes."""

    size: int
    logical: str = ""
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True)
class Enum:
    """One of `symbols`."""

    symbols: tuple[str, ...]


@dataclass(frozen=True)
class Array:
    """Any number of items."""

    items: "Node"


@dataclass(frozen=True)
class Map:
    """Values by text."""

    values: "Node"


@dataclass(frozen=True)
class Union:
    """One of `branches`, told apart by an index on the wire."""

    branches: tuple["Node", ...]


@dataclass(frozen=True)
class Field:
    """A field of a record; `default` is Avro's JSON form or MISSING."""

    name: str
    type: "Node"
    doc: str = ""
    default: Any = MISSING


@dataclass(frozen=True)
class Record:
    """Fields in the order of the wire."""

    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Reference:
    """A named type that is defined elsewhere in the schema."""

    name: str


@dataclass(frozen=True)
class Opaque:
    """A part that has no finite tree; `why` completes the sentence "it is …"."""

    why: str


Node = Primitive | Fixed | Enum | Array | Map | Union | Record | Reference | Opaque


@dataclass(frozen=True)
class SourceSchema:
    """A source's record and what its connector declared for the loader (schema property "ingest").

    `written` and `named` are the schema as it stands, `record` the tree without references.
    """

    record: Record
    written: Record
    named: Mapping[str, Node]
    sort: tuple[str, ...] = ()
    mode: str = "append"
    doc: str = ""


def read_schema(text: str) -> SourceSchema:
    """Parse a registered Avro schema; raises SchemaUnusableError when it cannot become rows."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise SchemaUnusableError(f"the registered schema is not JSON that can be read: {exc}") from exc
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise SchemaUnusableError("the registered schema is not a record, so it has no columns")
    reader = _Reader()
    written = reader.node(parsed, "", 0)
    assert isinstance(written, Record)
    record = _Expansion(reader.named).node(written, 0, frozenset({reader.root}))
    assert isinstance(record, Record)
    declared = parsed.get("ingest")
    declared = declared if isinstance(declared, dict) else {}
    sort = tuple(map(str, declared.get("sort") or ()))
    mode, doc = str(declared.get("mode", "append")), str(parsed.get("doc") or "")
    return SourceSchema(record, written, reader.named, sort, mode, doc)


@dataclass
class _Expansion:
    """Puts named types in their places; Opaque where that would not end."""

    named: Mapping[str, Node]
    nodes: int = 0

    def node(self, node: Node, depth: int, inside: frozenset[str]) -> Node:
        """The tree of `node`; `inside` are the names of the types around it."""
        self.nodes += 1
        if depth > MAX_DEPTH:
            return Opaque(f"nested more than {MAX_DEPTH} levels deep")
        if self.nodes > MAX_NODES:
            return Opaque(f"part of a schema of more than {MAX_NODES} types")
        match node:
            case Reference():
                if node.name in inside:
                    return Opaque(f"recursive through {node.name}")
                return self.node(self.named[node.name], depth, inside | {node.name})
            case Array():
                return Array(self.node(node.items, depth + 1, inside))
            case Map():
                return Map(self.node(node.values, depth + 1, inside))
            case Union():
                return Union(tuple(self.node(branch, depth + 1, inside) for branch in node.branches))
            case Record():
                fields = (
                    replace(entry, type=self.node(entry.type, depth + 1, inside)) for entry in node.fields
                )
                return Record(tuple(fields))
            case _:
                return node


@dataclass
class _Reader:
    """Reads one schema as written; `named` are its named types, `root` the name of the first."""

    named: dict[str, Node] = field(default_factory=dict)
    root: str = ""
    _known: set[str] = field(default_factory=set)

    def node(self, schema: Any, namespace: str, depth: int) -> Node:
        """One type; a definition within the root becomes a Reference as well, so that both read alike."""
        if depth > _MAX_WRITTEN_DEPTH:
            raise SchemaUnusableError(f"the schema is nested more than {_MAX_WRITTEN_DEPTH} levels deep")
        if isinstance(schema, list):
            return Union(tuple(self.node(branch, namespace, depth + 1) for branch in schema))
        if isinstance(schema, str):
            return self._by_name(schema, namespace)
        if not isinstance(schema, Mapping):
            raise SchemaUnusableError(f"{schema!r} is not an Avro type")
        kind = schema.get("type")
        if kind in ("record", "error", "enum", "fixed"):
            return self._define(schema, namespace, depth)
        if kind == "array":
            return Array(self.node(schema.get("items"), namespace, depth + 1))
        if kind == "map":
            return Map(self.node(schema.get("values"), namespace, depth + 1))
        if isinstance(kind, str) and kind in PRIMITIVES:
            return Primitive(kind, *_logical(schema))
        # {"type": {"type": "string"}} is legal, and some generators write it.
        return self.node(kind, namespace, depth + 1)

    def _by_name(self, name: str, namespace: str) -> Node:
        if name in PRIMITIVES:
            return Primitive(name)
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        found = next((known for known in (full, name) if known in self._known), None)
        if found is None:
            raise SchemaUnusableError(f"the type {name!r} is used but not defined")
        return Reference(found)

    def _define(self, schema: Mapping[str, Any], namespace: str, depth: int) -> Node:
        full, home = _full_name(schema, namespace)
        if full in self._known:
            raise SchemaUnusableError(f"the type {full!r} is defined twice")
        self._known.add(full)
        definition = self._definition(schema, full, home, depth)
        self.named[full] = definition
        if depth:
            return Reference(full)
        self.root = full
        return definition

    def _definition(self, schema: Mapping[str, Any], full: str, home: str, depth: int) -> Node:
        kind = schema["type"]
        if kind == "enum":
            return Enum(tuple(map(str, _part(schema, "symbols", list))))
        if kind == "fixed":
            return Fixed(_part(schema, "size", int), *_logical(schema))
        fields = tuple(self._field(entry, home, depth) for entry in _part(schema, "fields", list))
        if len({entry.name for entry in fields}) < len(fields):
            raise SchemaUnusableError(f"the record {full} has two fields of the same name")
        return Record(fields)

    def _field(self, entry: Any, home: str, depth: int) -> Field:
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not name or "type" not in entry:
            raise SchemaUnusableError(f"{entry!r} is not a field with a name and a type")
        node = self.node(entry["type"], home, depth + 1)
        return Field(name, node, str(entry.get("doc") or ""), entry.get("default", MISSING))


def _part(schema: Mapping[str, Any], key: str, kind: type) -> Any:
    value = schema.get(key)
    if not isinstance(value, kind):
        raise SchemaUnusableError(f"the {schema.get('type')} {schema.get('name')!r} has no usable {key!r}")
    return value


def _full_name(schema: Mapping[str, Any], namespace: str) -> tuple[str, str]:
    """The full name of a definition and the namespace that holds inside it."""
    name, own = str(schema.get("name", "")), schema.get("namespace")
    if "." in name:
        return name, name.rpartition(".")[0]
    home = str(own) if own is not None else namespace
    return (f"{home}.{name}" if home else name), home


def _logical(schema: Mapping[str, Any]) -> tuple[str, int, int]:
    """Logical type, precision and scale; nothing where they make no sense, as Avro asks of readers."""
    logical = schema.get("logicalType")
    if not isinstance(logical, str):
        return "", 0, 0
    if logical != "decimal":
        return logical, 0, 0
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if (
        not isinstance(precision, int)
        or not isinstance(scale, int)
        or not 0 <= scale <= precision
        or not precision
    ):
        return "", 0, 0
    return logical, precision, scale
