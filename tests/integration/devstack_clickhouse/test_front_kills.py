"""Queries end when their client kills them by id, when their time is up, and when their client is gone."""

import secrets
import socket
import threading
import time
from collections.abc import Callable

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.devstack_server import DevstackServer
from tests.integration.devstack_clickhouse.conftest import connect

ENDLESS = "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)"


class Background:
    """A call in a thread of its own; `error` is what it raised."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.error: BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._call()
        except BaseException as exc:
            self.error = exc

    def join(self) -> BaseException | None:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.error


def wait_for(client: Client, query_id: str, *, running: bool, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    asked = "SELECT count() FROM system.processes WHERE query_id = {id:String}"
    while bool(client.command(asked, parameters={"id": query_id})) is not running:
        assert time.monotonic() < deadline, f"{query_id} is {'not' if running else 'still'} running"
        time.sleep(0.02)


@pytest.mark.parametrize("sync", ["SYNC", "ASYNC"])
def test_kill_query_ends_a_select(front: DevstackServer, client: Client, sync: str) -> None:
    query_id = secrets.token_hex(8)
    with connect(front) as other:
        query = Background(lambda: other.command(ENDLESS, settings={"query_id": query_id}))
        wait_for(client, query_id, running=True)
        client.command(f"KILL QUERY WHERE query_id = '{query_id}' {sync}")
        error = query.join()

    assert isinstance(error, DatabaseError)
    assert error.code == 394
    wait_for(client, query_id, running=False)


def test_kill_query_ends_an_insert_and_nothing_is_stored(
    front: DevstackServer, database: str, client: Client
) -> None:
    query_id = secrets.token_hex(8)
    slow = "CREATE TABLE t (a Int32, b UInt8 MATERIALIZED sleepEachRow(0.01)) ENGINE = MergeTree ORDER BY a"
    client.command(slow)
    settings = {"query_id": query_id, "function_sleep_max_microseconds_per_block": 0}
    with connect(front, database=database) as other:
        insert = Background(
            lambda: other.raw_insert("t", insert_block=b"1\n" * 100_000, fmt="CSV", settings=settings)
        )
        wait_for(client, query_id, running=True)
        client.command("KILL QUERY WHERE query_id = {id:String} SYNC", parameters={"id": query_id})
        error = insert.join()

    assert isinstance(error, DatabaseError)
    assert error.code == 394
    assert client.command("SELECT count() FROM t") == 0


def test_killing_an_id_that_does_not_run_kills_nothing(front: DevstackServer, client: Client) -> None:
    query_id = secrets.token_hex(8)
    with connect(front) as other:
        query = Background(lambda: other.command(ENDLESS, settings={"query_id": query_id}))
        wait_for(client, query_id, running=True)
        assert client.command("KILL QUERY WHERE query_id = 'nobody' SYNC") == ""
        wait_for(client, query_id, running=True)
        client.command("KILL QUERY WHERE query_id = {id:String} SYNC", parameters={"id": query_id})
        query.join()


def test_an_id_that_runs_is_not_run_twice(front: DevstackServer, client: Client) -> None:
    query_id = secrets.token_hex(8)
    with connect(front) as other:
        query = Background(lambda: other.command(ENDLESS, settings={"query_id": query_id}))
        wait_for(client, query_id, running=True)
        with pytest.raises(DatabaseError) as refused:
            client.command("SELECT 1", settings={"query_id": query_id})
        client.command("KILL QUERY WHERE query_id = {id:String} SYNC", parameters={"id": query_id})
        query.join()

    assert (refused.value.code, refused.value.name) == (216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING")
    assert client.command("SELECT 1", settings={"query_id": query_id}) == 1


def test_time_is_up_for_selects_and_inserts(client: Client) -> None:
    client.command(
        "CREATE TABLE t (a Int32, b UInt8 MATERIALIZED sleepEachRow(0.01)) ENGINE = MergeTree ORDER BY a"
    )
    settings = {"max_execution_time": 1, "function_sleep_max_microseconds_per_block": 0}
    with pytest.raises(DatabaseError) as select:
        client.command(ENDLESS, settings=settings)
    with pytest.raises(DatabaseError) as insert:
        client.raw_insert("t", insert_block=b"1\n" * 1000, fmt="CSV", settings=settings)

    assert (select.value.code, insert.value.code) == (159, 159)
    assert client.command("SELECT count() FROM t") == 0


def test_a_query_ends_with_its_client_if_the_client_asked_for_it(
    front: DevstackServer, client: Client
) -> None:
    query_id = secrets.token_hex(8)
    head = (
        f"POST /?query_id={query_id}&cancel_http_readonly_queries_on_client_close=1 HTTP/1.1\r\nHost: x\r\n"
    )
    with socket.create_connection(("127.0.0.1", front.port)) as connection:
        connection.sendall(f"{head}Content-Length: {len(ENDLESS)}\r\n\r\n{ENDLESS}".encode())
        wait_for(client, query_id, running=True)

    wait_for(client, query_id, running=False)
