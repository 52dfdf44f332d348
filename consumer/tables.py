"""Brings a source's table and view into the shape that a schema needs, and remembers that it did.

Added fields become added columns, optional and wider ones are changed. What cannot be changed in place (see
`fitting`) stops the topic with words. Two loaders may do this at the same time: what one has done is nothing
to the other.
"""

from collections import defaultdict
from collections.abc import Mapping
from threading import Lock

import structlog

from consumer import sql
from consumer.clickhouse import ClickHouse
from consumer.ddl import (
    TableSpec,
    add_columns,
    change_types,
    create_table,
    create_view,
    restore_guards,
    visible,
)
from consumer.errors import TopicStoppedError
from consumer.fitting import Existing, check_key, key_parts, types_to_change

_ATTEMPTS = 3
_log = structlog.get_logger(__name__)


class Tables:
    """The tables of one database. For several threads; only one looks at a table at a time.

    A statement that hangs over one table holds up no other.
    """

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._database_seen = False
        self._ready: frozenset[TableSpec] = frozenset()
        self._said: set[tuple[str, tuple[str, ...]]] = set()

    def ensure(self, spec: TableSpec) -> None:
        """Make table and view fit `spec`; nothing is asked of ClickHouse when they are known to.

        Raises TopicStoppedError when they cannot fit, RetryError when ClickHouse does not answer.
        """
        if spec in self._ready:
            return
        with self._locks[spec.table]:
            self._ensure_database()
            self._ensure_table(spec)
            self._ensure_view(spec)
            self._ready |= {spec}

    def forget(self, spec: TableSpec) -> None:
        """Look again next time: ClickHouse says that the table is not what it was."""
        with self._locks[spec.table]:
            self._ready = frozenset(other for other in self._ready if other.table != spec.table)
            self._database_seen = False

    def _ensure_database(self) -> None:
        if self._database_seen:
            return
        name = sql.identifier(self._clickhouse.database)
        # A user who may not create databases may not say IF NOT EXISTS either.
        if not self._clickhouse.rows(f"EXISTS DATABASE {name}")[0][0]:
            self._clickhouse.command(f"CREATE DATABASE IF NOT EXISTS {name}")
        self._database_seen = True

    def _ensure_table(self, spec: TableSpec) -> None:
        existing = self._columns(spec.table)
        if not existing:
            self._clickhouse.command(create_table(spec))
            _log.info("table_created", table=spec.table, sorted_by=spec.order)
            existing = self._columns(spec.table)
        key = self._sorting_key(spec)
        check_key(spec, existing, key)
        self._say_otherwise_sorted(spec, key)
        if statement := change_types(spec, changes := types_to_change(spec, existing, key)):
            self._clickhouse.command(statement)
            _log.info("columns_widened", table=spec.table, columns=changes)
        if statement := add_columns(spec, existing):
            self._clickhouse.command(statement)
            added = [column.name for column in spec.columns if column.name not in existing]
            _log.info("columns_added", table=spec.table, columns=added)
        if statement := restore_guards(spec, _check_of_rows(existing)):
            self._clickhouse.command(statement)
            _log.warning("guards_restored", table=spec.table)

    def _sorting_key(self, spec: TableSpec) -> tuple[str, ...]:
        engine, sorting_key = self._table(spec.table)
        if "ReplacingMergeTree" not in engine:
            raise TopicStoppedError(
                f"{spec.database}.{spec.table} exists and is no table of the loader's (engine {engine}). "
                "Rename it away; the loader then makes its own."
            )
        return key_parts(sorting_key)

    def _say_otherwise_sorted(self, spec: TableSpec, key: tuple[str, ...]) -> None:
        """Once: nothing is wrong with the rows, but queries may be slower than was meant."""
        if key == spec.order or (spec.table, spec.order) in self._said:
            return
        self._said.add((spec.table, spec.order))
        _log.warning(
            "table_sorted_otherwise",
            table=spec.table,
            sorted_by=key,
            declared=spec.order,
            then="it is loaded as it is; what is declared takes effect when the table is rebuilt",
        )

    def _ensure_view(self, spec: TableSpec) -> None:
        for _ in range(_ATTEMPTS):
            engine, _key = self._table(spec.view)
            if engine not in ("", "View"):
                raise TopicStoppedError(
                    f"{spec.database}.{spec.view} is the name of the view for readers, but exists with "
                    f"engine {engine}. Rename it away; the loader then makes the view."
                )
            columns = self._columns(spec.table)
            wanted = visible((name, column.kind) for name, column in columns.items())
            shown = [(name, column.type) for name, column in self._columns(spec.view).items()]
            # A view keeps the types it was made with, and casts to them.
            if shown == [(name, columns[name].type) for name in wanted]:
                return
            # Another loader with an older schema may replace it at the same moment: hence the second look.
            self._clickhouse.command(create_view(spec, wanted))

    def _columns(self, table: str) -> dict[str, Existing]:
        """The columns by name, in the table's order; none when there is no such table."""
        found = self._clickhouse.rows(
            "SELECT name, type, default_kind, default_expression FROM system.columns "  # noqa: S608 - quoted
            f"WHERE {self._named(table, 'table')} ORDER BY position"
        )
        return {str(name): Existing(*map(str, rest)) for name, *rest in found}

    def _table(self, table: str) -> tuple[str, str]:
        """(engine, sorting key), empty when there is no such table."""
        found = self._clickhouse.rows(
            f"SELECT engine, sorting_key FROM system.tables WHERE {self._named(table, 'name')}"  # noqa: S608
        )
        return (str(found[0][0]), str(found[0][1])) if found else ("", "")

    def _named(self, table: str, column: str) -> str:
        return f"database = {sql.text(self._clickhouse.database)} AND {column} = {sql.text(table)}"


def _check_of_rows(existing: Mapping[str, Existing]) -> str | None:
    """The expression that refuses rows; None when there is no column for it."""
    check = existing.get("_ok")
    if check is None:
        return None
    return check.default if check.kind == "MATERIALIZED" else ""
