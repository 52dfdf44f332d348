"""A dict that does not grow beyond its bound in memory: what is more stands in a temporary file."""

import math
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Generic, TypeVar

V = TypeVar("V", bound=int | bytes)

# SQLite's smallest limit for one statement.
_VARIABLES = 900
# Few: a value may be a whole record.
_ROWS = 16


class Spilled(Generic[V]):
    """Values by 16-byte digests. `memory` is used as it is, after `fetch` of the keys that are asked for.

    Used by one thread.
    """

    def __init__(
        self, memory: dict[bytes, V], limit: float = math.inf, merged: str = "excluded.value"
    ) -> None:
        """`limit` is for `trim`. `merged` is SQL for a value of memory (`excluded.value`) that meets one of
        the file (`value`).
        """
        self.memory = memory
        self._limit = limit
        self._merged = merged
        self._file: sqlite3.Connection | None = None

    def __bool__(self) -> bool:
        """Whether there is anything in it; the file counts as something until it is closed."""
        return bool(self.memory) or self._file is not None

    def close(self) -> None:
        """Forget everything."""
        self.memory.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def fetch(self, keys: Iterable[bytes]) -> None:
        """Bring what the file knows of these into memory."""
        if self._file is None:
            return
        keys = iter(keys)
        while some := list(islice(keys, _VARIABLES)):
            marks = ",".join("?" * len(some))
            found = self._file.execute(
                f"DELETE FROM spilled WHERE key IN ({marks}) RETURNING key, value",  # noqa: S608 - question marks
                some,
            )
            self.memory.update(dict(found.fetchall()))

    def trim(self) -> None:
        """Move all of memory to the file if it is more than the limit."""
        if len(self.memory) > self._limit:
            self.spill()

    def spill(self) -> None:
        """Move all of memory to the file."""
        if self._file is None:
            # An empty name is a file that SQLite removes when it is closed.
            self._file = sqlite3.connect("", isolation_level=None)
            self._file.execute("PRAGMA synchronous = OFF")
            self._file.execute("CREATE TABLE spilled (key BLOB PRIMARY KEY, value) WITHOUT ROWID")
        self._file.execute("BEGIN")
        self._file.executemany(
            f"INSERT INTO spilled VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = {self._merged}",  # noqa: S608 - ours
            self.memory.items(),
        )
        self._file.execute("COMMIT")
        self.memory.clear()

    def drain(self) -> Iterator[list[V]]:
        """Take all values out, a bounded list at a time."""
        while self.memory:
            some = list(islice(self.memory, _ROWS))
            yield [self.memory.pop(key) for key in some]
        while self._file is not None:
            found = self._file.execute(
                "DELETE FROM spilled WHERE key IN (SELECT key FROM spilled LIMIT ?) RETURNING value", [_ROWS]
            ).fetchall()
            if not found:
                return
            yield [value for (value,) in found]
