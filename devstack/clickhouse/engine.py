"""The one chdb engine of this process: statements run on a connection of their own, one per request.

A connection is cheap (under a millisecond) and is what keeps settings apart: SET on a shared one leaks into
the requests that follow. One more connection is held open for as long as the engine lives, or chdb would
shut the engine down after each request.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from devstack.clickhouse.errors import EngineStartError, StatementError, from_engine
from devstack.clickhouse.statements import QUERY_ID_SETTING

MIB = 1 << 20
# A development machine's share: caches that suit gigabytes of data, and a limit below which the rest lives.
_OPTIONS = {
    "mark_cache_size": 128 * MIB,
    "primary_index_cache_size": 128 * MIB,
    "max_server_memory_usage": 4096 * MIB,
}
# chdb takes a bare expression for a query; a server calls it a syntax error.
_BASE_SETTINGS = {"implicit_select": "0"}
_FORBIDDEN_IN_PATH = "?*{}'\\"


@dataclass(frozen=True)
class Answer:
    """What a statement returned: the bytes in the asked format, and what was read, written and returned."""

    data: bytes = b""
    result_rows: int = 0
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class External:
    """A table that a request brings along: it exists for its statement only. `file` holds its data."""

    name: str
    structure: str
    format: str
    file: str


@dataclass(frozen=True)
class Work:
    """A statement with all that belongs to it. Parameters and settings are texts, as HTTP has them."""

    statement: bytes
    format: str
    query_id: str
    database: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    externals: tuple[External, ...] = ()
    read_only: bool = False


class Engine:
    """chdb on a data folder. A context manager; one per process, which chdb insists on.

    Data files are named relative to the working directory: the process is expected to stand in the folder
    that holds them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._chdb: Any = None
        self._keeper: Any = None
        self.version = ""

    def __enter__(self) -> Self:
        if wrong := sorted(set(_FORBIDDEN_IN_PATH) & set(str(self._folder))):
            raise EngineStartError(
                f"clickhouse: the data folder {self._folder} has {' '.join(wrong)} in its path, which the "
                "engine takes for a pattern. Give another folder with --data."
            )
        # The engine's timezone() is the process's, fixed when it is loaded.
        os.environ["TZ"] = "UTC"
        time.tzset()
        import chdb  # noqa: F401 - its package prepares the engine's library
        from chdb import _chdb

        self._chdb = _chdb
        try:
            self._keeper = self._connect()
        except RuntimeError as exc:
            raise EngineStartError(
                f"clickhouse: the engine cannot open {self._folder}: {exc}. If another process works in this "
                "folder, end it, or give another folder with --data."
            ) from exc
        self.version = _run(self._keeper, b"SELECT version()", "TabSeparated").data.decode().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def run(self, work: Work) -> Answer:
        """Run a statement to its end. Safe to call from many threads. Raises StatementError."""
        connection = self._connect()
        try:
            _prepare(connection, work)
            return _run(connection, work.statement, work.format, dict(work.parameters))
        finally:
            connection.close()

    def kill(self, query_id: str | None = None) -> None:
        """Cancel the query with this id, or all; returns when they have ended."""
        condition = "1" if query_id is None else f"Settings['{QUERY_ID_SETTING}'] = {{id:String}}"
        kill = f"KILL QUERY WHERE {condition} SYNC".encode()
        connection = self._connect()
        try:
            _run(connection, kill, "Null", {"id": _escaped(query_id or "")})
        finally:
            connection.close()

    def _connect(self) -> Any:
        options = "&".join(f"{name}={value}" for name, value in _OPTIONS.items())
        return self._chdb.connect(f"{self._folder}?{options}")


def _prepare(connection: Any, work: Work) -> None:
    """Put the connection into the state that the request asks for."""
    settings = {**_BASE_SETTINGS, **work.settings, QUERY_ID_SETTING: work.query_id}
    _run(connection, _set(settings))
    if work.database:
        _run(connection, f"USE {_identifier(work.database)}".encode())
    for table in work.externals:
        name = _identifier(table.name)
        _run(connection, f"CREATE TEMPORARY TABLE {name} ({table.structure}) ENGINE = Memory".encode())
        source = f"FROM INFILE '{table.file}' COMPRESSION 'none' FORMAT {_identifier(table.format)}"
        _run(connection, f"INSERT INTO {name} {source}".encode())
    if work.read_only:
        # Last: from here on the connection takes no settings of this kind any more.
        _run(connection, _set({"readonly": "2"}))


def _run(connection: Any, sql: bytes, fmt: str = "Null", parameters: dict[str, str] | None = None) -> Answer:
    try:
        result = connection.query(sql, fmt, params=parameters or {})
    except RuntimeError as exc:
        raise from_engine(str(exc)) from exc
    except UnicodeDecodeError as exc:
        # The engine quotes the value that it refuses, whatever its bytes are.
        raise from_engine(exc.object.decode(errors="replace")) from exc
    return Answer(
        data=result.bytes() or b"",
        result_rows=result.rows_read(),
        read_rows=result.storage_rows_read() or result.rows_read(),
        read_bytes=result.storage_bytes_read() or result.bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
        seconds=result.elapsed(),
    )


def _set(settings: Mapping[str, str]) -> bytes:
    assigned = []
    for name, value in settings.items():
        if not name.isidentifier() or not name.isascii():
            raise StatementError(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'")
        assigned.append(f"{name} = '{_escaped(value)}'")
    return f"SET {', '.join(assigned)}".encode()


def _escaped(text: str) -> str:
    """Text as it stands between single quotes."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
