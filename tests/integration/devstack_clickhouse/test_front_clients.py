"""clickhouse-connect works against the front unchanged."""

import datetime as dt
import threading
from pathlib import Path

import lz4.frame
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData

from tests.devstack_server import DevstackServer
from tests.integration.devstack_clickhouse.conftest import MODULE, connect

NOW = dt.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=dt.UTC)
ROWS = [
    [1, "plain", 1.5, NOW, None, ["a"], {"k": 1}],
    [2, "O'Neil\t\\\n\x00", -0.0, NOW, 7, [], {}],
]
COLUMNS = """
    id Int64, text LowCardinality(String), number Float64, at DateTime64(6, 'UTC'), maybe Nullable(Int32),
    list Array(String), map Map(String, UInt8)
"""


@pytest.mark.parametrize("compress", [True, False, "lz4", "zstd", "gzip"])
def test_rows_go_in_and_come_out_in_every_compression(
    front: DevstackServer, database: str, compress: str | bool
) -> None:
    with connect(front, database=database, compress=compress, tz_mode="aware") as client:
        client.command(f"CREATE TABLE t ({COLUMNS}) ENGINE = MergeTree ORDER BY id")
        assert client.insert("t", ROWS).written_rows == 2

        answer = client.query("SELECT * FROM t ORDER BY id")

    assert [list(row) for row in answer.result_rows] == ROWS
    assert answer.summary["result_rows"] == "2"


@pytest.mark.parametrize("compression", [None, "lz4", "zstd", "gzip"])
def test_raw_inserts_take_any_format_and_compression(client: Client, compression: str | None) -> None:
    from devstack.clickhouse.compression import compress

    client.command("CREATE TABLE t (a Int32, b String) ENGINE = MergeTree ORDER BY a")
    for fmt, data in (("CSV", b'1,"x"\n'), ("JSONEachRow", b'{"a": 2, "b": "y"}\n'), ("TSV", b"3\tz\n")):
        body = compress(data, compression) if compression else data
        client.raw_insert("t", column_names=["a", "b"], insert_block=body, fmt=fmt, compression=compression)

    assert client.query("SELECT * FROM t ORDER BY a").result_rows == [(1, "x"), (2, "y"), (3, "z")]


def test_a_stream_of_blocks_is_taken(client: Client) -> None:
    client.command("CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a")
    blocks = (lz4.frame.compress(b"%d\n" % number) for number in range(50))
    client.raw_insert("t", insert_block=blocks, fmt="CSV", compression="lz4")

    assert client.command("SELECT sum(a) FROM t") == sum(range(50))


def test_parameters_are_bound_by_the_server(client: Client) -> None:
    columns = "{text:String}, {list:Array(Int32)}, {none:Nullable(DateTime)}, {name:Identifier}"
    text = f"SELECT {columns} FROM (SELECT 1 AS x)"
    parameters = {"text": "O'N\t\\\n; DROP", "list": [1, 2], "none": None, "name": "x"}

    assert client.query(text, parameters=parameters).result_rows == [("O'N\t\\\n; DROP", [1, 2], None, 1)]


def test_settings_of_a_request_end_with_it(client: Client) -> None:
    asked = "SELECT getSetting('max_block_size'), timezone()"
    default = client.query(asked).result_rows

    assert client.query(asked, settings={"max_block_size": 77}).result_rows == [(77, "UTC")]
    assert client.query(asked).result_rows == default


def test_the_database_counts_and_names_may_be_strange(front: DevstackServer, client: Client) -> None:
    name = "o`dd \\ näme's"
    quoted = "`o\\`dd \\\\ näme's`"
    client.command(f"CREATE DATABASE {quoted}")
    with connect(front, database=name) as other:
        other.command("CREATE TABLE t (a Int8) ENGINE = Memory")
        assert other.query("SELECT currentDatabase()").result_rows == [(name,)]
    client.command(f"DROP DATABASE {quoted}")


def test_an_answer_of_many_rows_and_one_of_none(client: Client) -> None:
    assert len(client.query("SELECT number, toString(number) FROM numbers(200000)").result_rows) == 200_000
    assert client.query("SELECT 1 AS one WHERE 0").result_rows == []
    assert client.query("SELECT 1 AS one LIMIT 0").column_names == ("one",)


def test_commands_tell_answers_from_summaries(client: Client) -> None:
    assert client.command("SELECT '' WHERE 0") == ""
    assert not isinstance(client.command("CREATE TABLE t (a Int8) ENGINE = Memory"), str)
    assert client.command("EXISTS TABLE t") == 1
    assert client.command("INSERT INTO t FORMAT CSV", data="5\n6\n").written_rows == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "described", [{"structure": ["_1 UInt32", "_2 String"]}, {"types": ["UInt32", "String"]}]
)
def test_a_query_may_bring_a_table_along(client: Client, described: dict[str, list[str]]) -> None:
    table = ExternalData(file_name="ids", data=b"1,a\n2,b\n", fmt="CSV", **described)  # type: ignore[arg-type]

    assert client.query("SELECT sum(_1), max(_2) FROM ids", external_data=table).result_rows == [(3, "b")]
    with pytest.raises(DatabaseError) as gone:
        client.query("SELECT * FROM ids")
    assert gone.value.code == 60


def test_a_long_query_goes_through_as_a_form(client: Client) -> None:
    client.form_encode_query_params = True  # type: ignore[attr-defined]
    text = "x" * 300_000

    assert client.query("SELECT length({a:String})", parameters={"a": text}).result_rows == [(300_000,)]


def test_selects_go_on_beside_inserts(front: DevstackServer, database: str) -> None:
    failures: list[BaseException] = []

    def insert(number: int) -> None:
        try:
            with connect(front, database=database) as client:
                for start in range(0, 5000, 1000):
                    client.insert("t", [[number, row] for row in range(start, start + 1000)])
                    seen = client.command("SELECT count() % 1000 FROM t")
                    assert seen == 0
        except BaseException as exc:
            failures.append(exc)

    with connect(front, database=database) as client:
        client.command("CREATE TABLE t (a Int32, b Int32) ENGINE = MergeTree ORDER BY (a, b)")
        threads = [threading.Thread(target=insert, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert client.command("SELECT count() FROM t") == 20_000


def test_a_user_with_a_password(tmp_path: Path) -> None:
    with DevstackServer(MODULE, tmp_path, "--user", "ann", "--password", "p:w") as server:
        with connect(server, username="ann", password="p:w") as client:
            assert client.command("SELECT 1") == 1
        with pytest.raises(DatabaseError) as refused:
            connect(server)
        assert refused.value.code == 516


def test_checks_can_be_off(tmp_path: Path) -> None:
    with (
        DevstackServer(MODULE, tmp_path, "--no-auth") as server,
        connect(server, username="x", password="y") as client,
    ):
        assert client.command("SELECT 1") == 1
