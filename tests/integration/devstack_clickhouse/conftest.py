"""A running front, clients of it, and a table's life around a test."""

import http.client
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from tests.devstack_server import DevstackServer

MODULE = "devstack.clickhouse"


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: dict[str, str]
    body: bytes


Ask = Callable[..., HttpAnswer]


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevstackServer]:
    with DevstackServer(MODULE, tmp_path_factory.mktemp("front")) as server:
        yield server


def connect(server: DevstackServer, **options: object) -> Client:
    return clickhouse_connect.get_client(host="127.0.0.1", port=server.port, **options)  # type: ignore[arg-type]


@pytest.fixture
def database(front: DevstackServer) -> Iterator[str]:
    name = f"t{secrets.token_hex(4)}"
    with connect(front) as client:
        client.command(f"CREATE DATABASE {name}")
        yield name
        client.command(f"DROP DATABASE {name} SYNC")


@pytest.fixture
def client(front: DevstackServer, database: str) -> Iterator[Client]:
    """clickhouse-connect as it comes, in a database of the test's own."""
    with connect(front, database=database) as client:
        yield client


@pytest.fixture
def ask(front: DevstackServer, database: str) -> Ask:
    """HTTP without a ClickHouse client: body, URL parameters, headers and method as given."""

    def send(
        body: bytes = b"",
        *,
        method: str = "POST",
        path: str = "/",
        headers: dict[str, str] | None = None,
        **url: str,
    ) -> HttpAnswer:
        connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=30)
        try:
            query = urlencode({"database": database, **url})
            connection.request(method, f"{path}?{query}", body=body or None, headers=headers or {})
            answer = connection.getresponse()
            return HttpAnswer(
                answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
            )
        finally:
            connection.close()

    return send
