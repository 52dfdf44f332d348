"""The schema gate: which schemas the engine may read without us looking at a single record.

A schema is in the safe class when every top-level field has a column that takes its bytes as they are: no
recursion, at most 16 levels, no list whose items take no bytes (ten bytes of count would hang an insert past
every time limit). A field outside the class is carried as JSON text, and then every record of that schema is
decoded, see `decoding`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from consumer.column_types import UnmappableError, column_type
from consumer.errors import SchemaUnusableError
from consumer.schema_tree import Array, Field, Fixed, Map, Node, Primitive, Record, SourceSchema, Union

ENVELOPE = frozenset({"_id", "_source", "_event_time", "_extracted_at", "_run_id"})
# What the loader adds to each row; see tables.py.
RESERVED = frozenset(
    {"_epoch", "_partition", "_offset", "_log_time", "_ver"}
    | {"_ok", "_canary_a", "_canary_b", "_frame", "_want"}
)
TEXT_SUFFIX = "__text"


@dataclass(frozen=True)
class Gated:
    """`record` is what the engine reads, `as_text` names the fields carried as JSON text, and why."""

    record: Record
    as_text: Mapping[str, str]

    @property
    def fast(self) -> bool:
        """True when records go into ClickHouse undecoded."""
        return not self.as_text


def gate(schema: SourceSchema) -> Gated:
    """Sort the fields of a schema; raises SchemaUnusableError when its names clash with the loader's own."""
    for entry in schema.record.fields:
        if entry.name in RESERVED or entry.name.endswith(TEXT_SUFFIX):
            raise SchemaUnusableError(
                f"the field {entry.name!r} has a name that the loader needs for itself; rename it"
            )
    if not schema.record.fields:
        raise SchemaUnusableError("the registered record has no fields, so it has no columns")
    as_text = {entry.name: why for entry in schema.record.fields if (why := _refused(entry))}
    fields = tuple(
        replace(entry, type=Primitive("string")) if entry.name in as_text else entry
        for entry in schema.record.fields
    )
    return Gated(Record(fields), as_text)


def _refused(entry: Field) -> str | None:
    """Why the engine may not read this field's bytes."""
    if _has_endless_list(entry.type):
        return "it is, or holds, a list whose items take no bytes"
    try:
        column_type(entry.type)
    except UnmappableError as exc:
        return f"it is {exc}"
    return None


def _has_endless_list(node: Node) -> bool:
    match node:
        case Array():
            return is_zero_width(node.items) or _has_endless_list(node.items)
        case Map():
            return is_zero_width(node.values) or _has_endless_list(node.values)
        case Record():
            return any(_has_endless_list(entry.type) for entry in node.fields)
        case Union():
            return any(map(_has_endless_list, node.branches))
        case _:
            return False


def is_zero_width(node: Node) -> bool:
    """True for what takes no byte on the wire."""
    match node:
        case Primitive():
            return node.kind == "null"
        case Fixed():
            return node.size == 0
        case Record():
            return all(is_zero_width(entry.type) for entry in node.fields)
        case _:
            return False
