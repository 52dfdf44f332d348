"""Whether a table that is there takes a schema's records, and what is changed in it first. Pure.

A table keeps the sorting key that it was made with, whatever later schemas declare. That each record is one
row hangs on the key having the same values whenever the record is loaded, not on which columns they are.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumer.columns import IDENTITY, VERSION, Column
from consumer.ddl import TableSpec, rebuild, unfit
from consumer.errors import TopicStoppedError

# What the engine reads of one type into a column of another, as Avro allows; where no value is lost by it.
_READS = {
    "Int32": {"Int64", "Float32", "Float64"},
    "Int64": {"Float32", "Float64"},
    "Float32": {"Float64"},
}
_HOLDS = {"Int32": {"Int64", "Float64"}, "Float32": {"Float64"}}
_REPEATED = "LowCardinality("
# What ClickHouse itself puts where an ephemeral column declares none.
_NO_DEFAULT = "defaultValueOfTypeName("

# Both are the same for a record whenever it is loaded; its version is not.
_PLACE = frozenset(("_epoch", "_partition", "_offset"))
_OF_THE_PLACE = frozenset(column.name for column in IDENTITY)

# What defaults of ours are made of (`column_types`), and what ClickHouse says where there is none.
_TEXT = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_WORD = re.compile(r"\b[A-Za-z_]\w*")
_CONSTANT = frozenset(
    {
        "CAST",
        "unhex",
        "addDays",
        "toDate32",
        "toInt64",
        "map",
        "tuple",
        "array",
        "true",
        "false",
        "NULL",
        "inf",
    }
    | {
        "nan",
        "defaultValueOfTypeName",
        *(f"fromUnixTimestamp64{unit}" for unit in ("Milli", "Micro", "Nano")),
    }
)


@dataclass(frozen=True)
class Existing:
    """A column as ClickHouse tells it; `kind` and `default` are of its default expression."""

    type: str
    kind: str = ""
    default: str = ""


def types_to_change(spec: TableSpec, existing: Mapping[str, Existing], key: Sequence[str]) -> dict[str, str]:
    """Wider types for columns that do not take the records yet, and lose nothing by it, as DDL says them.

    Raises TopicStoppedError when a field's bytes cannot go into the column of its name.
    """
    changes: dict[str, str] = {}
    wrong = []
    for column in spec.columns:
        if column.name not in existing or _takes(column, existing):
            continue
        wider = _wider_types(column, existing)
        if wider is None or column.name in key:
            wrong.append(
                f"column {column.name!r} is {existing[column.name].type}, records carry {column.type}"
            )
        else:
            changes |= wider
    if wrong:
        raise TopicStoppedError(
            f"{unfit(spec, '; '.join(wrong))}. That cannot be changed in place. Rename the table away: the "
            "loader makes one for these records and goes on from here; what was loaded stays in the renamed "
            "one. Or go back to the former type: register it again and, with all loaders stopped, set the "
            "group's offset of this topic behind the records of the new type, which are then never loaded."
        )
    return changes


def _takes(column: Column, existing: Mapping[str, Existing]) -> bool:
    there = existing[column.name].type
    if column.text_type is None:
        return fits(column.type, there)
    text = existing.get(column.takes)
    return text is not None and fits(column.text_type, text.type) and fits(column.type, there)


def _wider_types(column: Column, existing: Mapping[str, Existing]) -> dict[str, str] | None:
    wanted = {column.name: column.type}
    if column.text_type is not None:
        # The column that fills it comes first: the other's default names it.
        wanted = {column.takes: column.text_type, **wanted}
    found = {
        name: widened(kind, existing[name].type) if name in existing else None
        for name, kind in wanted.items()
    }
    wider = {
        name: f"{kind}{_own_default(existing[name])}" for name, kind in found.items() if kind is not None
    }
    return wider if len(wider) == len(found) else None


def _own_default(there: Existing) -> str:
    """What else to say so that a column without a declared default has its new type's."""
    return " EPHEMERAL" if there.kind == "EPHEMERAL" and there.default.startswith(_NO_DEFAULT) else ""


def fits(written: str, column: str) -> bool:
    """Whether the engine reads values of type `written` into `column`: equal, or one of Avro's promotions."""
    source, source_nullable = _unwrapped(written)
    target, target_nullable = _unwrapped(column)
    if source_nullable and not target_nullable:
        return False
    return source == target or _reads(source, target)


def _reads(source: str, target: str) -> bool:
    return target == f"{_REPEATED}{source})" or target in _READS.get(source, ())


def widened(written: str, column: str) -> str | None:
    """A type for `column` that takes `written` values and keeps those it has; None if there is none."""
    source, source_nullable = _unwrapped(written)
    target, target_nullable = _unwrapped(column)
    if source == target or source in _HOLDS.get(target, ()):
        wider, nullable = written, source_nullable
    elif _reads(source, target):
        wider, nullable = column, target_nullable
    else:
        return None
    return _nullable(wider) if (source_nullable or target_nullable) and not nullable else wider


def _nullable(kind: str) -> str:
    if kind.startswith(_REPEATED):
        return f"{_REPEATED}Nullable({kind[len(_REPEATED) : -1]}))"
    return f"Nullable({kind})"


def _unwrapped(type_name: str) -> tuple[str, bool]:
    """The type without Nullable and without quoting and spaces, and whether it was Nullable."""
    plain = type_name.replace("`", "").replace(" ", "")
    for before, after in ((f"{_REPEATED}Nullable(", "))"), ("Nullable(", ")")):
        if plain.startswith(before) and plain.endswith(after):
            inner = plain[len(before) : -len(after)]
            return (f"{_REPEATED}{inner})" if before.startswith(_REPEATED) else inner), True
    return plain, False


def check_key(spec: TableSpec, existing: Mapping[str, Existing], key: Sequence[str]) -> None:
    """Raise TopicStoppedError when the table's sorting key may make two rows of a record, or one of two.

    Safe are the place in the log, fields of the record, and columns that it has no field for if they are
    filled with a constant.
    """
    if missing := sorted(_PLACE - set(key)):
        why = f"without {', '.join(missing)}, so that records would replace each other"
    elif odd := [part for part in key if not _is_same_whenever_loaded(part, spec, existing)]:
        why = f"and {', '.join(odd)} may differ when a record is loaded again, which would be there twice"
    else:
        return
    raise TopicStoppedError(rebuild(spec, f"it is sorted by ({', '.join(key)}), {why}"))


def _is_same_whenever_loaded(part: str, spec: TableSpec, existing: Mapping[str, Existing]) -> bool:
    if part in _OF_THE_PLACE:
        return True
    there = existing.get(part)
    if there is None or there.kind not in ("", "DEFAULT") or part == VERSION.name:
        return False
    return part in {column.name for column in spec.columns} or _is_constant(there.default, existing)


def _is_constant(default: str, existing: Mapping[str, Existing]) -> bool:
    """Whether the default is one of ours: of literals, or of an ephemeral column whose default is."""
    filled_by = existing.get(default.strip("`"))
    if filled_by is not None:
        return filled_by.kind == "EPHEMERAL" and _is_constant(filled_by.default, {})
    return _CONSTANT.issuperset(_WORD.findall(_TEXT.sub("", default)))


def key_parts(sorting_key: str) -> tuple[str, ...]:
    """The sorting key that ClickHouse tells; an expression stays one, which is no column's name."""
    return tuple(part.strip().strip("`") for part in sorting_key.split(",")) if sorting_key else ()
