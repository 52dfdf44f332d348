"""Statement and data are parted wherever they stand, and files do not outlive their request."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devstack.clickhouse import bodies
from devstack.clickhouse.bodies import Folder, Received, receive
from devstack.clickhouse.compression import decoder
from devstack.clickhouse.errors import StatementError


async def _chunks(body: bytes, step: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), step):
        yield body[at : at + step]


def _receive(folder: Path, query: bytes, body: bytes, step: int = 5) -> tuple[Received, bytes | None]:
    files = Folder(folder)
    files.clear()
    with files.names() as names:
        received = asyncio.run(receive(_chunks(body, step), query, decoder("", blocks=False), names))
        data = (folder / received.file).read_bytes() if received.file else None
    assert list(folder.iterdir()) == []
    return received, data


@pytest.mark.parametrize(
    ("query", "body", "data"),
    [
        (b"INSERT INTO t FORMAT CSV", b"1\n2\n", b"1\n2\n"),
        (b"INSERT INTO t FORMAT CSV\n", b"\n1\n", b"\n1\n"),
        (b"INSERT INTO t VALUES", b"(1), (2)", b"(1), (2)"),
        (b"INSERT INTO t VALUES (0),", b"(1), (2)", b"(0),\n(1), (2)"),
        (b"INSERT INTO t", b"FORMAT CSV\n1\n", b"1\n"),
        (b"", b"INSERT INTO t FORMAT CSV\n1\n2\n", b"1\n2\n"),
        (b"", b"INSERT INTO t FORMAT CSV", b""),
        (b" \n", b"INSERT INTO t FORMAT CSV 1\n", b"1\n"),
    ],
)
def test_data_ends_up_in_a_file_wherever_it_begins(
    tmp_path: Path, query: bytes, body: bytes, data: bytes
) -> None:
    assert _receive(tmp_path / "in", query, body)[1] == data


@pytest.mark.parametrize(
    ("query", "body", "sql"),
    [
        (b"", b"SELECT 1", b"SELECT 1"),
        (b"SELECT 1", b"", b"SELECT 1"),
        (b"SELECT 1 +", b"2", b"SELECT 1 +\n2"),
    ],
)
def test_a_query_may_stand_in_url_and_body(tmp_path: Path, query: bytes, body: bytes, sql: bytes) -> None:
    received, data = _receive(tmp_path / "in", query, body)

    assert (received.sql, data) == (sql, None)


@pytest.mark.parametrize("head", range(20, 60))
def test_a_head_that_ends_anywhere_in_the_statement_changes_nothing(
    tmp_path: Path, head: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "HEAD_BYTES", head)
    received, data = _receive(
        tmp_path / "in", b"", b"INSERT INTO t (a, b) SETTINGS x = 1 FORMAT CSV\n1,2\n", 1
    )

    assert received.sql.endswith(b"FORMAT CSV")
    assert data == b"1,2\n"


def test_a_statement_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "HEAD_BYTES", 10)
    monkeypatch.setattr(bodies, "MAX_STATEMENT_BYTES", 100)
    with pytest.raises(StatementError) as refused:
        _receive(tmp_path / "in", b"", b"SELECT " + b"1," * 200)
    assert refused.value.status == 413


def test_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / "left").write_bytes(b"x")
    Folder(tmp_path).clear()
    assert list(tmp_path.iterdir()) == []
