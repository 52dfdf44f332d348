"""What the loader's tables and views need of the engine, before and after a restart."""

from pathlib import Path

from clickhouse_connect.driver.client import Client

from tests.devstack_server import DevstackServer
from tests.integration.devstack_clickhouse.conftest import MODULE, connect

VERSIONS = """
    CREATE TABLE log (id Int64, at DateTime64(3, 'UTC'), _offset Int64, _ver UInt64)
    ENGINE = ReplacingMergeTree(_ver) PARTITION BY toYYYYMM(at) ORDER BY (id, _offset)
    SETTINGS fsync_after_insert = 1
"""
VIEW = """
    CREATE VIEW visible AS SELECT * FROM log FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
"""


def _check_identity(client: Client) -> None:
    client.command(VERSIONS)
    client.command(VIEW)
    for version in (1, 3, 2):
        rows = f"(1, '2024-01-01 00:00:00', 0, {version}), (2, '2024-02-01 00:00:00', 1, {version})"
        client.command(f"INSERT INTO log VALUES {rows}")
    assert client.query("SELECT id, _ver FROM visible ORDER BY id").result_rows == [(1, 3), (2, 3)]


def test_a_view_with_final_shows_each_row_once(client: Client) -> None:
    _check_identity(client)


def test_the_default_database_keeps_tables_views_and_exchanged_names(tmp_path: Path) -> None:
    with DevstackServer(MODULE, tmp_path) as server:
        with connect(server) as client:
            _check_identity(client)
            client.command("CREATE TABLE shadow AS log")
            client.command("EXCHANGE TABLES shadow AND log")
            client.command("RENAME TABLE shadow TO old")
        assert server.terminate() == 0
        server.start()
        with connect(server) as client:
            assert client.command("SELECT count() FROM visible") == 0
            client.command("EXCHANGE TABLES old AND log")
            assert client.query("SELECT id, _ver FROM visible ORDER BY id").result_rows == [(1, 3), (2, 3)]
            client.command("ALTER TABLE log ADD COLUMN more Nullable(String)")
            client.command("DROP TABLE old SYNC")
            assert client.command("SHOW TABLES") == "log\nvisible"
