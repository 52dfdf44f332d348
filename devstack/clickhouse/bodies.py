"""Takes a request's body in: the statement into memory, the data of an INSERT into a file for the engine.

Data is never held in memory as a whole. The statement may stand in the URL, at the body's start, or partly in
each, as the server allows.
"""

import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from devstack.clickhouse.compression import Decoder
from devstack.clickhouse.errors import StatementError
from devstack.clickhouse.statements import Insert, Query, parse

# A statement at the start of a body is looked for in this much of it, as a server does by default.
HEAD_BYTES = 256 << 10
MAX_STATEMENT_BYTES = 64 << 20


@dataclass(frozen=True)
class Received:
    """A statement ready for the engine; `file` names the file that holds an INSERT's data."""

    statement: Query | Insert
    file: str | None = None

    @property
    def sql(self) -> bytes:
        """The text to run."""
        if isinstance(self.statement, Query):
            return self.statement.text
        assert self.file
        return self.statement.from_file(self.file)


class Folder:
    """Files for data on its way into the engine. Nothing in it outlives the request it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def clear(self) -> None:
        """Create the folder, and remove what a killed process left in it."""
        self.path.mkdir(parents=True, exist_ok=True)
        for left in self.path.iterdir():
            left.unlink()

    @contextlib.contextmanager
    def names(self) -> Iterator["Names"]:
        """Hand out file names; their files are gone when the context ends."""
        names = Names(self.path)
        try:
            yield names
        finally:
            for path in names.given:
                path.unlink(missing_ok=True)


class Names:
    """File names of one request."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.given: list[Path] = []

    def new(self) -> Path:
        """Return the path of a file that does not exist yet; its name is letters and digits."""
        path = self._folder / uuid.uuid4().hex
        self.given.append(path)
        return path


async def receive(chunks: AsyncIterator[bytes], query: bytes, decoder: Decoder, names: Names) -> Received:
    """Read the body to its end and return the statement. Raises StatementError.

    `query` is the part of the statement that stood in the URL, `chunks` the body as it comes in.
    """
    body = _decoded(chunks, decoder)
    if query.strip():
        statement = parse(query)
        if isinstance(statement, Insert):
            # Data may begin in the URL already; a line break separates it from the body.
            start = query[statement.data_start :]
            return await _store(statement, start + b"\n" if start.strip() else b"", body, names)
    head = query + b"\n" if query else b""
    async for chunk in body:
        head += chunk
        if len(head) >= HEAD_BYTES:
            statement = parse(head)
            # A statement that fills the head may go on behind it, in the middle of its last word.
            if isinstance(statement, Insert) and statement.data_start < len(head):
                return await _store(statement, head[statement.data_start :], body, names)
            head += await _rest(body)
    statement = parse(head)
    if isinstance(statement, Insert):
        return await _store(statement, head[statement.data_start :], body, names)
    return Received(statement)


async def _store(statement: Insert, start: bytes, body: AsyncIterator[bytes], names: Names) -> Received:
    path = names.new()
    with path.open("xb") as file:
        file.write(start)
        async for chunk in body:
            file.write(chunk)
    return Received(statement, path.name)


async def _decoded(chunks: AsyncIterator[bytes], decoder: Decoder) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if data := decoder.feed(chunk):
            yield data
    decoder.finish()


async def _rest(body: AsyncIterator[bytes]) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in body:
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_STATEMENT_BYTES:
            raise StatementError(
                229,
                "QUERY_IS_TOO_LARGE",
                f"A statement without data is limited to {MAX_STATEMENT_BYTES} bytes here",
            )
    return b"".join(parts)
