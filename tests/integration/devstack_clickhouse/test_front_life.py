"""The process starts with words, ends with 0, and loses nothing that it has acknowledged."""

import threading
import time
from pathlib import Path

from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from tests.devstack_server import DevstackServer
from tests.integration.devstack_clickhouse.conftest import MODULE, connect
from tests.integration.devstack_clickhouse.test_front_kills import ENDLESS, Background, wait_for

TABLE = "CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a SETTINGS fsync_after_insert = 1"


def test_acknowledged_rows_survive_kill_9_in_the_middle_of_inserts(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    with DevstackServer(MODULE, tmp_path) as server:
        client = connect(server)
        client.command(TABLE)

        def insert() -> None:
            for number in range(10_000):
                try:
                    client.raw_insert("t", insert_block=b"%d\n" % number * 1000, fmt="CSV")
                except OperationalError:
                    return
                acknowledged.append(number)

        thread = threading.Thread(target=insert)
        thread.start()
        deadline = time.monotonic() + 20
        while len(acknowledged) < 10:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.process.kill()
        thread.join(30)
        client.close()
        # As an upload that was under way would leave it.
        (server.data / "incoming" / "left").write_bytes(b"x")

        server.start()
        with connect(server) as client:
            rows = client.query("SELECT a, count() FROM t GROUP BY a").result_rows
        counts = {number: count for number, count in rows}
        assert set(acknowledged) <= set(counts)
        assert set(counts.values()) == {1000}
        assert list((server.data / "incoming").iterdir()) == []


def test_sigterm_ends_with_0_and_tells_the_client_of_a_running_query(tmp_path: Path) -> None:
    with DevstackServer(MODULE, tmp_path) as server, connect(server) as client:
        query = Background(lambda: client.command(ENDLESS, settings={"query_id": "endless"}))
        with connect(server) as other:
            wait_for(other, "endless", running=True)
        assert server.terminate() == 0
        error = query.join()

    assert isinstance(error, DatabaseError)
    assert error.code == 394


def test_a_taken_port_is_told_with_the_next_step(tmp_path: Path, front: DevstackServer) -> None:
    code, said = DevstackServer(MODULE, tmp_path, port=front.port).run_to_its_end()

    assert code == 1
    assert f"port {front.port} on 127.0.0.1 is taken" in said
    assert "--port 0" in said


def test_a_folder_in_use_is_told_with_the_next_step(tmp_path: Path) -> None:
    with DevstackServer(MODULE, tmp_path):
        second = DevstackServer(MODULE, tmp_path / "other", "--data", str(tmp_path / "data"))
        code, said = second.run_to_its_end()

    assert code == 1
    assert "--data" in said
    assert str(tmp_path / "data") in said


def test_a_folder_that_the_engine_takes_for_a_pattern_is_told(tmp_path: Path) -> None:
    code, said = DevstackServer(MODULE, tmp_path / "a{b}").run_to_its_end()

    assert code == 1
    assert "takes for a pattern" in said
