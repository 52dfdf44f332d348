"""The columns of a source's table: those of its record, and those that the loader adds to each row."""

from dataclasses import dataclass

from consumer import sql
from consumer.column_types import as_json, column_type, default_expression
from consumer.gate import TEXT_SUFFIX, Gated
from consumer.schema_tree import Enum, Field, Node, Primitive, Union

_REPEATED_TEXT = frozenset({"_source", "_run_id"})
_TIME_CODEC = "DoubleDelta, ZSTD(1)"


@dataclass(frozen=True)
class Column:
    """One column; `type` as ClickHouse writes it.

    `text_type` is set for a column that is filled from an ephemeral text column beside it: the Avro reader
    builds a dictionary for each single value of a LowCardinality column (0.15 µs a value, a quarter of an
    insert); converting the finished text column costs next to nothing.
    """

    name: str
    type: str
    default: str | None = None
    codec: str | None = None
    comment: str = ""
    text_type: str | None = None

    @property
    def takes(self) -> str:
        """The column that an INSERT names."""
        return self.name + TEXT_SUFFIX if self.text_type else self.name

    def definitions(self) -> list[str]:
        """The column in DDL, after the ephemeral one that fills it."""
        default = self.default
        before = []
        if self.text_type:
            initial = f" {default}" if default else ""
            before = [f"{sql.identifier(self.takes)} {self.text_type} EPHEMERAL{initial}"]
            default = sql.identifier(self.takes)
        parts = [sql.identifier(self.name), self.type]
        parts += [f"DEFAULT {default}"] if default else []
        parts += [f"COMMENT {sql.text(self.comment)}"] if self.comment else []
        parts += [f"CODEC({self.codec})"] if self.codec else []
        return [*before, " ".join(parts)]


def record_columns(gated: Gated) -> tuple[Column, ...]:
    """A column for each field, in the order of the wire."""
    return tuple(_column(entry, gated) for entry in gated.record.fields)


def _column(entry: Field, gated: Gated) -> Column:
    if entry.name in gated.as_text:
        comment = f"{entry.doc} (JSON text: {gated.as_text[entry.name]})".strip()
        return Column(entry.name, "String", as_json(entry.default), "ZSTD(1)", comment)
    kind = column_type(entry.type)
    default = default_expression(entry.default, entry.type, kind)
    if _repeats(entry.name, entry.type):
        return Column(entry.name, f"LowCardinality({kind})", default, None, entry.doc, text_type=kind)
    return Column(entry.name, kind, default, _codec(kind), entry.doc)


def _repeats(name: str, node: Node) -> bool:
    """Whether few different texts are to be expected."""
    if isinstance(node, Union) and len(node.branches) == 2:
        others = [branch for branch in node.branches if branch != Primitive("null")]
        return len(others) == 1 and isinstance(others[0], Enum)
    return isinstance(node, Enum) or (name in _REPEATED_TEXT and node == Primitive("string"))


def _codec(kind: str) -> str | None:
    if kind.startswith(("DateTime64", "Nullable(DateTime64")):
        return _TIME_CODEC
    return "ZSTD(1)" if kind in ("String", "Nullable(String)") else None


# Where a row stands in the log. The Avro reader turns the doubles that carry offset and time into these types
# itself, so the key is made of plain columns and copying a table keeps it.
IDENTITY = (
    Column("_epoch", "UInt64", comment="Which life of the topic: first eight bytes of the topic id"),
    Column("_partition", "Int32", comment="Topic partition"),
    Column("_offset", "Int64", codec=_TIME_CODEC, comment="Offset within the partition"),
    Column("_log_time", "DateTime64(3, 'UTC')", codec=_TIME_CODEC, comment="The broker's timestamp"),
)
VERSION = Column("_ver", "UInt64", codec="ZSTD(1)", comment="Generation and leader epoch; the newest wins")

_ZERO_CANARY = "unhex('0000000000000000')"
# Inverted, not equal: with the same eight bytes on both sides, a record that swallows the ones behind it is
# vouched for by those before its neighbour, and what it shifts may be chosen freely from there on.
GUARD_CHECK = "bitNot(_canary_a) != _canary_b"
_MISALIGNED = f"{GUARD_CHECK} OR _canary_a = {_ZERO_CANARY} OR _frame != _want"
# Ephemeral: read by the check, never stored. An INSERT that leaves them out has zeros, and fails as well.
GUARDS = (
    "`_canary_a` FixedString(8) EPHEMERAL",
    "`_canary_b` FixedString(8) EPHEMERAL",
    "`_frame` FixedString(5) EPHEMERAL",
    "`_want` FixedString(5) EPHEMERAL",
    f"`_ok` UInt8 MATERIALIZED throwIf({_MISALIGNED}, 'a record is longer or shorter than its schema says')",
)
