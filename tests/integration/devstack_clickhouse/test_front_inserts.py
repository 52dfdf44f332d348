"""An INSERT is stored whole or refused with the engine's code, and nothing of it is left behind."""

import io
import secrets
import socket
import time
from collections.abc import Callable, Iterator

import fastavro
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.devstack_server import DevstackServer
from tests.integration.devstack_clickhouse.conftest import Ask

GUARDED = """
    CREATE TABLE guarded (
        id Int64, text String,
        _off Float64 EPHEMERAL, _a FixedString(8) EPHEMERAL, _b FixedString(8) EPHEMERAL,
        _offset Int64 DEFAULT toInt64(_off),
        _ok UInt8 MATERIALIZED throwIf(_a != _b OR _a = toFixedString('', 8), 'misaligned')
    ) ENGINE = ReplacingMergeTree(_offset) PARTITION BY intDiv(id, 1000000) ORDER BY id
    SETTINGS fsync_after_insert = 1
"""
COLUMNS = ["_a", "_off", "id", "text", "_b"]


def _avro(rows: int, *, bad: int | None = None) -> bytes:
    """An Avro file of guarded rows; the canary behind row `bad` differs from the one before it."""
    fixed = {"type": "fixed", "name": "c8", "size": 8}
    fields = [("_a", fixed), ("_off", "double"), ("id", "long"), ("text", "string"), ("_b", "c8")]
    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": name, "type": kind} for name, kind in fields],
    }
    canary = secrets.token_bytes(8)

    def row(number: int) -> dict[str, object]:
        after = bytes(8) if number == bad else canary
        return {"_a": canary, "_off": float(number), "id": number, "text": f"row {number}", "_b": after}

    file = io.BytesIO()
    fastavro.writer(file, fastavro.parse_schema(schema), map(row, range(rows)), sync_interval=1 << 30)
    return file.getvalue()


@pytest.fixture
def guarded(client: Client, front: DevstackServer) -> Iterator[Client]:
    client.command(GUARDED)
    yield client
    assert list((front.data / "incoming").iterdir()) == []


def test_guarded_rows_are_stored(guarded: Client) -> None:
    summary = guarded.raw_insert("guarded", COLUMNS, _avro(50_000), fmt="Avro")

    assert summary.written_rows == 50_000
    assert guarded.query("SELECT count(), sum(_offset), max(text) FROM guarded").result_rows == [
        (50_000, sum(range(50_000)), "row 9999")
    ]


@pytest.mark.parametrize("rows", [10, 100_000])
def test_one_wrong_canary_refuses_all_rows_with_395(guarded: Client, rows: int) -> None:
    with pytest.raises(DatabaseError) as refused:
        guarded.raw_insert("guarded", COLUMNS, _avro(rows, bad=rows - 1), fmt="Avro")

    assert (refused.value.code, refused.value.name) == (395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO")
    assert guarded.command("SELECT count() FROM guarded") == 0


def test_an_insert_without_canaries_is_refused_too(guarded: Client) -> None:
    with pytest.raises(DatabaseError) as refused:
        guarded.insert("guarded", [[1, "x"]], column_names=["id", "text"])

    assert refused.value.code == 395


@pytest.mark.parametrize("damage", ["cut", "magic", "stray", "empty"])
def test_broken_avro_is_refused_with_748(guarded: Client, damage: str) -> None:
    whole = _avro(1000)
    body = {
        "cut": whole[:-50],
        "magic": b"xxxx" + whole,
        "stray": whole[:2000] + b"\xff" * 12 + whole[2000:],
        "empty": b"",
    }[damage]
    with pytest.raises(DatabaseError) as refused:
        guarded.raw_insert("guarded", COLUMNS, body, fmt="Avro")

    assert (refused.value.code, refused.value.name) == (748, "AVRO_EXCEPTION")
    assert guarded.command("SELECT count() FROM guarded") == 0


def test_compressed_bodies_that_are_damaged_are_refused(guarded: Client) -> None:
    with pytest.raises(DatabaseError) as refused:
        guarded.raw_insert("guarded", COLUMNS, b"not lz4", fmt="Avro", compression="lz4")

    assert refused.value.code == 618


def test_settings_of_an_insert_are_the_engines(guarded: Client) -> None:
    """Those that a loader sends with every insert; a token makes the second of two equal blocks vanish."""
    guarded.command("ALTER TABLE guarded MODIFY SETTING non_replicated_deduplication_window = 100")
    for token in ("one", "one", "two"):
        settings = {
            "async_insert": 0,
            "max_execution_time": 60,
            "insert_deduplication_token": token,
            "insert_deduplicate": 1,
        }
        guarded.raw_insert("guarded", COLUMNS, _avro(10), fmt="Avro", settings=settings)

    assert guarded.command("SELECT count() FROM guarded") == 20
    assert guarded.command("SELECT count() FROM guarded FINAL") == 10


def test_clauses_and_inline_data_go_along(ask: Ask) -> None:
    ask(b"CREATE TABLE t (format Int32, b String DEFAULT 'd') ENGINE = MergeTree ORDER BY format")
    for statement in (
        b"INSERT INTO t (format) SETTINGS async_insert = 0 VALUES (1), (1 + 1);",
        b'insert into t(format, b)format CSV\n3,"FORMAT CSV"\n',
        b'-- INSERT INTO x FORMAT CSV\nINSERT INTO TABLE t FORMAT JSONEachRow {"format": 4}',
        b"INSERT INTO t SELECT number + 5, 's' FROM numbers(2)",
    ):
        assert ask(statement).status == 200
    asked = ask(b"VALUES (7, {word:String})", query="INSERT INTO t", param_word="it's")
    assert asked.status == 200

    assert ask(b"SELECT * FROM t ORDER BY format FORMAT CSV").body.decode().splitlines() == [
        '1,"d"', '2,"d"', '3,"FORMAT CSV"', '4,"d"', '5,"s"', '6,"s"', '7,"it\'s"'
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["x' FROM INFILE '/etc/hostname' FORMAT CSV --", "../../etc/hostname", "/etc/hostname"]
)
def test_a_hostile_table_name_is_a_name(ask: Ask, name: str) -> None:
    quoted = "`" + name.replace("`", "\\`") + "`"
    assert ask(f"INSERT INTO {quoted} FORMAT CSV\n1".encode()).headers["x-clickhouse-exception-code"] == "60"
    assert ask(f"CREATE TABLE {quoted} (a Int32) ENGINE = MergeTree ORDER BY a".encode()).status == 200
    assert ask(f"INSERT INTO {quoted} FORMAT CSV\n1\n".encode()).status == 200
    assert ask(f"SELECT * FROM {quoted}".encode()).body == b"1\n"


def test_an_upload_that_breaks_off_stores_nothing(
    front: DevstackServer, database: str, client: Client
) -> None:
    client.command("CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a")
    head = f"POST /?database={database}&query=INSERT+INTO+t+FORMAT+CSV HTTP/1.1\r\nHost: x\r\n"
    with socket.create_connection(("127.0.0.1", front.port)) as connection:
        connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + b"1\n" * 100_000)
        _wait_until(lambda: _incoming(front) == 1)
    _wait_until(lambda: _incoming(front) == 0)

    assert client.command("SELECT count() FROM t") == 0


def _incoming(front: DevstackServer) -> int:
    return len(list((front.data / "incoming").iterdir()))


def _wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_data_may_hold_anything(ask: Ask) -> None:
    ask(b"CREATE TABLE t (a String) ENGINE = Memory")
    data = b"'; DROP TABLE t; /* ` \x00\xff"
    assert ask(b"INSERT INTO t FORMAT RawBLOB\n" + data).status == 200

    assert ask(b"SELECT a FROM t FORMAT RawBLOB").body == data
