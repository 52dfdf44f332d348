"""What is in the topic already, so that it is not published again (rules P5 and P7).

A record is known again by its key and its payload's bytes; run and times of extraction may differ. Equal
records are counted: a source that yields one twice has it published twice, also after a crash in between.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from types import TracebackType
from typing import Self

from schemas.envelope import payload_start

# About 15 MB; more are kept in a file.
IN_MEMORY = 100_000
_ROWS = 10_000
_SIZE = 16
# SQLite's smallest limit for one statement.
_VARIABLES = 900


def digest(key: bytes | None, value: bytes) -> bytes:
    """What a framed record is known again by: its key and its payload, 16 bytes."""
    try:
        payload = value[payload_start(value) :]
    except IndexError:
        # Nobody of us wrote it.
        payload = value
    return blake2b(payload, digest_size=_SIZE, key=blake2b(key or b"", digest_size=_SIZE).digest()).digest()


def letter_digest(value: bytes) -> bytes:
    """What a dead letter is known again by: the item in it."""
    return blake2b(value, digest_size=_SIZE).digest()


class Seen:
    """Counted digests: in memory, and past `in_memory` different ones in a temporary file, never guessed.

    A context manager, used by one thread.
    """

    def __init__(self, *, in_memory: int = IN_MEMORY) -> None:
        self._limit = in_memory
        self._counts: Counter[bytes] = Counter()
        self._file: sqlite3.Connection | None = None
        self._left = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._counts.clear()
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        """How many records are there that have not been taken."""
        return self._left

    def add(self, digests: Iterable[bytes]) -> None:
        """Remember these, each once more."""
        digests = iter(digests)
        while some := list(islice(digests, _ROWS)):
            self._left += len(some)
            self._counts.update(some)
            if len(self._counts) > self._limit:
                self._spill()

    def take(self, digests: Sequence[bytes]) -> list[bool]:
        """For each digest whether it was there; those that were are there once less."""
        if self._file is not None:
            self._fetch(digests)
        taken = []
        for one in digests:
            there = self._counts.get(one, 0)
            if there > 1:
                self._counts[one] = there - 1
            elif there:
                del self._counts[one]
            taken.append(there > 0)
        self._left -= sum(taken)
        return taken

    def _spill(self) -> None:
        if self._file is None:
            # An empty name is a file that SQLite removes when it is closed.
            self._file = sqlite3.connect("", isolation_level=None)
            self._file.execute("PRAGMA synchronous = OFF")
            self._file.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, n INTEGER) WITHOUT ROWID")
        self._file.execute("BEGIN")
        self._file.executemany(
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET n = n + excluded.n",
            self._counts.items(),
        )
        self._file.execute("COMMIT")
        self._counts.clear()

    def _fetch(self, digests: Sequence[bytes]) -> None:
        """Bring what the file knows of these into memory."""
        assert self._file is not None
        for at in range(0, len(digests), _VARIABLES):
            some = digests[at : at + _VARIABLES]
            marks = ",".join("?" * len(some))
            found = self._file.execute(
                f"DELETE FROM seen WHERE digest IN ({marks}) RETURNING digest, n",  # noqa: S608 - question marks
                some,
            )
            self._counts.update(dict(found.fetchall()))
