"""Both daemons as processes, over one folder of connectors of the test's own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

from runtime.settings import Settings
from tests.daemon_process import DaemonProcess, until

Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the test puts its connector files."""
    folder = tmp_path / "sources"
    folder.mkdir()
    return folder


@pytest.fixture
def daemon_environment(environment: dict[str, str], folder: Path) -> dict[str, str]:
    # A killed loader is missed after 6 s instead of 45; the dev stack on Tansu has its own, shorter sessions.
    sessions = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    environment.setdefault("INGEST_KAFKA__PROPERTIES", json.dumps(sessions))
    others = {name: value for name, value in environment.items() if not name.startswith("INGEST_SOURCES__")}
    return {**others, "INGEST_CONNECTORS__PATHS": str(folder), "INGEST_CONNECTORS__SKIP": "flights,weather"}


@pytest.fixture
def producer(tmp_path: Path, daemon_environment: dict[str, str]) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess("producer", tmp_path, daemon_environment)
    yield daemon
    daemon.process.stop()


@pytest.fixture
def consumer(tmp_path: Path, daemon_environment: dict[str, str]) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess("consumer", tmp_path, daemon_environment)
    yield daemon
    daemon.process.stop()


@pytest.fixture
def rows(settings: Settings) -> Iterator[Rows]:
    """Answers of ClickHouse to a query in the test's database; [] while the table is not there yet."""
    with clickhouse_connect.get_client(**settings.clickhouse.client_arguments()) as client:

        def ask(query: str) -> list[tuple[Any, ...]]:
            table = query.split("FROM ")[1].split()[0]
            if str(client.command(f"EXISTS {table}")) != "1":
                return []
            return [tuple(row) for row in client.query(query).result_rows]

        yield ask


@pytest.fixture
def loaded(rows: Rows) -> Callable[[str, int], None]:
    """Wait until a view shows so many rows."""

    def wait(view: str, count: int) -> None:
        until(lambda: rows(f"SELECT count() FROM {view}") == [(count,)], f"{count} rows in {view}")

    return wait
