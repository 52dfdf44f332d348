"""Brings a source's table and view into the shape that a schema needs, and remembers that it did.

Added fields become added columns. What cannot be changed in place stops the topic with words. Two loaders may
do this at the same time: every statement says IF NOT EXISTS or OR REPLACE.
"""

from collections import defaultdict
from threading import Lock

import structlog

from consumer import sql
from consumer.clickhouse import ClickHouse
from consumer.ddl import (
    TableSpec,
    add_columns,
    check_columns,
    check_order,
    create_table,
    create_view,
    restore_guards,
    visible,
)
from consumer.errors import TopicStoppedError

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
        types = {name: kind for name, kind, _ in existing}
        self._check_engine(spec)
        check_columns(spec, types)
        if statement := add_columns(spec, types):
            self._clickhouse.command(statement)
            added = [column.name for column in spec.columns if column.name not in types]
            _log.info("columns_added", table=spec.table, columns=added)
        if statement := restore_guards(spec, self._check_of_rows(spec.table)):
            self._clickhouse.command(statement)
            _log.warning("guards_restored", table=spec.table)

    def _check_engine(self, spec: TableSpec) -> None:
        engine, sorting_key = self._table(spec.table)
        if "ReplacingMergeTree" not in engine:
            raise TopicStoppedError(
                f"{spec.database}.{spec.table} exists and is no table of the loader's (engine {engine}). "
                "Rename it away; the loader then makes its own."
            )
        check_order(spec, sorting_key)

    def _ensure_view(self, spec: TableSpec) -> None:
        for _ in range(_ATTEMPTS):
            engine, _key = self._table(spec.view)
            if engine not in ("", "View"):
                raise TopicStoppedError(
                    f"{spec.database}.{spec.view} is the name of the view for readers, but exists with "
                    f"engine {engine}. Rename it away; the loader then makes the view."
                )
            wanted = visible((name, kind) for name, _, kind in self._columns(spec.table))
            if [name for name, _, _ in self._columns(spec.view)] == wanted:
                return
            # Another loader with an older schema may replace it at the same moment: hence the second look.
            self._clickhouse.command(create_view(spec, wanted))

    def _columns(self, table: str) -> list[tuple[str, str, str]]:
        """(name, type, default kind) in the table's order; nothing when there is no such table."""
        found = self._clickhouse.rows(
            "SELECT name, type, default_kind FROM system.columns "  # noqa: S608 - quoted
            f"WHERE {self._named(table, 'table')} ORDER BY position"
        )
        return [(str(name), str(kind), str(default)) for name, kind, default in found]

    def _check_of_rows(self, table: str) -> str | None:
        """The expression that refuses rows; None when there is no column for it."""
        found = self._clickhouse.rows(
            "SELECT default_kind, default_expression FROM system.columns "  # noqa: S608 - quoted
            f"WHERE {self._named(table, 'table')} AND name = '_ok'"
        )
        if not found:
            return None
        kind, expression = map(str, found[0])
        return expression if kind == "MATERIALIZED" else ""

    def _table(self, table: str) -> tuple[str, str]:
        """(engine, sorting key), empty when there is no such table."""
        found = self._clickhouse.rows(
            f"SELECT engine, sorting_key FROM system.tables WHERE {self._named(table, 'name')}"  # noqa: S608
        )
        return (str(found[0][0]), str(found[0][1])) if found else ("", "")

    def _named(self, table: str, column: str) -> str:
        return f"database = {sql.text(self._clickhouse.database)} AND {column} = {sql.text(table)}"
