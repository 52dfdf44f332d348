"""The SQL that makes and changes a source's table and view. Pure: text from schemas, nothing is executed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from consumer import sql
from consumer.columns import GUARD_CHECK, GUARDS, IDENTITY, VERSION, Column, record_columns
from consumer.errors import TopicStoppedError
from consumer.gate import Gated
from consumer.schema_tree import SourceSchema

# Constant bounds, so that a record is in the same ClickHouse partition whenever it is loaded. A broken clock
# makes at most this many partitions.
_MONTH = (
    "toYYYYMM(least(greatest(`_log_time`, toDateTime64('2000-01-01 00:00:00', 3, 'UTC')), "
    "toDateTime64('2100-01-01 00:00:00', 3, 'UTC')))"
)
_STORAGE = ("fsync_after_insert = 1", "non_replicated_deduplication_window = 100")
VIEW_SETTINGS = "do_not_merge_across_partitions_select_final = 1"


@dataclass(frozen=True)
class TableSpec:
    """What a schema wants a source's table to be. `table` and `view` are plain names."""

    database: str
    table: str
    view: str
    columns: tuple[Column, ...]
    sort: tuple[str, ...]
    doc: str

    @property
    def qualified_table(self) -> str:
        """The table, quoted."""
        return sql.qualified(self.database, self.table)

    @property
    def order(self) -> tuple[str, ...]:
        """The sorting key: declared columns first, identity last."""
        return (*self.sort, "_epoch", "_partition", "_offset")


def table_spec(schema: SourceSchema, gated: Gated, database: str, table: str, view: str) -> TableSpec:
    """The table for a schema; raises TopicStoppedError when what it declares cannot be kept."""
    columns = record_columns(gated)
    unknown = [name for name in schema.sort if name not in {column.name for column in columns}]
    if unknown:
        raise TopicStoppedError(
            f"The schema declares the sort columns {unknown}, which its record has not. "
            "Register a schema whose property 'ingest' names fields of the record."
        )
    if schema.mode != "append":
        raise TopicStoppedError(
            f"The schema asks for mode {schema.mode!r}; this loader keeps every record (mode 'append'). "
            "Publish the source under another name, without that mode."
        )
    return TableSpec(database, table, view, columns, schema.sort, schema.doc)


def create_table(spec: TableSpec) -> str:
    """CREATE TABLE for a source's log: one row for each place in it, however often it is written."""
    own = [line for column in (*spec.columns, *IDENTITY, VERSION) for line in column.definitions()]
    types = {column.name: column.type for column in spec.columns}
    storage = list(_STORAGE)
    if any("Nullable(" in types[name] for name in spec.sort):
        storage.append("allow_nullable_key = 1")
    return (
        f"CREATE TABLE IF NOT EXISTS {spec.qualified_table} (\n  "
        + ",\n  ".join([*own, *GUARDS])
        + f"\n) ENGINE = ReplacingMergeTree({sql.identifier(VERSION.name)})"
        f"\nPARTITION BY {_MONTH}\nORDER BY ({', '.join(map(sql.identifier, spec.order))})"
        f"\nSETTINGS {', '.join(storage)}" + (f"\nCOMMENT {sql.text(spec.doc)}" if spec.doc else "")
    )


def add_columns(spec: TableSpec, existing: Collection[str]) -> str | None:
    """ALTER TABLE for the columns that the table lacks; None when it has them all."""
    missing = [column for column in spec.columns if column.name not in existing]
    lines = [f"ADD COLUMN IF NOT EXISTS {line}" for column in missing for line in column.definitions()]
    return f"ALTER TABLE {spec.qualified_table}\n  " + ",\n  ".join(lines) if lines else None


def restore_guards(spec: TableSpec, check: str | None) -> str | None:
    """ALTER TABLE for a table that does not check its rows as ours do; None when it does by `check`.

    Without that, an insert that reads records in the wrong places would be taken for a good one. Raises
    TopicStoppedError where there is nothing to change: a column that is added would be computed, and would
    refuse, when old rows are merged.
    """
    if check is None:
        raise TopicStoppedError(rebuild(spec, "its column _ok, which checks each row, is gone"))
    if GUARD_CHECK in check:
        return None
    *columns, ok = GUARDS
    lines = [f"ADD COLUMN IF NOT EXISTS {line}" for line in columns] + [f"MODIFY COLUMN {ok}"]
    return f"ALTER TABLE {spec.qualified_table}\n  " + ",\n  ".join(lines)


def create_view(spec: TableSpec, columns: Sequence[str]) -> str:
    """CREATE VIEW for readers: each record once, payload and envelope first, its place in the log last."""
    shown = ", ".join(map(sql.identifier, columns))
    return (
        f"CREATE OR REPLACE VIEW {sql.qualified(spec.database, spec.view)} AS SELECT {shown} "  # noqa: S608 - quoted
        f"FROM {spec.qualified_table} FINAL SETTINGS {VIEW_SETTINGS}"
    )


def change_types(spec: TableSpec, types: Mapping[str, str]) -> str | None:
    """ALTER TABLE for columns that get another type, and keep what else they are; None for none."""
    lines = [f"MODIFY COLUMN {sql.identifier(name)} {kind}" for name, kind in types.items()]
    return f"ALTER TABLE {spec.qualified_table}\n  " + ",\n  ".join(lines) if lines else None


def unfit(spec: TableSpec, why: str) -> str:
    """The beginning of what a person is told about a table that cannot take the records."""
    return f"The table {spec.database}.{spec.table} does not fit the records: {why}"


def rebuild(spec: TableSpec, why: str) -> str:
    """The same with the remedy for a table that no records fit."""
    return (
        f"{unfit(spec, why)}. Rename the table away and, with all loaders stopped, set the group's offsets "
        "of this topic back to the start: the loader makes its own table, and loads it anew from the topic."
    )


def visible(columns: Iterable[tuple[str, str]]) -> list[str]:
    """The columns of the view, given (name, default kind) of the table's."""
    own = {column.name for column in (*IDENTITY, VERSION)}
    payload = [name for name, kind in columns if kind in ("", "DEFAULT") and name not in own]
    return [*payload, *(column.name for column in IDENTITY)]
