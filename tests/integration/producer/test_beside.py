"""`ingest run` in a process of its own, beside a producer that has the same source."""

from functools import partial
from pathlib import Path

import pytest

from tests.daemon_process import DaemonProcess, until
from tests.integration.producer.conftest import Ask
from tests.integration.producer.support import events, write_connector

pytestmark = pytest.mark.requires_kafka

NOTED = """
with (HERE / "runs").open("a") as runs:
    runs.write("run\\n")
yield {"id": 1, "at": NOON}
"""


def ran(folder: Path, times: int) -> bool:
    return (folder / "runs").read_text() == "run\n" * times


def detail(ingest: Ask, source: str) -> str:
    rows = {row["source"]: row for row in ingest("connectors", "list")}
    return str(rows[source]["detail"])


def test_runs_here_and_in_the_daemon_share_a_limit(folder: Path, daemon: DaemonProcess, ingest: Ask) -> None:
    write_connector(folder, "alpha", NOTED, declared=['rate_limit = "5/hour"'])
    daemon.start()
    until(lambda: len(events(daemon, "run_ended")) == 1, what="the first run")
    for total in (3, 5):
        ingest("run", "alpha")
        ingest("connectors", "trigger", "alpha")
        until(partial(ran, folder, total), what="the triggered run")
    ingest("connectors", "trigger", "alpha")
    refused = ingest("run", "alpha", code=75)
    assert "5/hour of alpha" in refused
    until(lambda: "5/hour of alpha" in detail(ingest, "alpha"), what="the daemon's refusal")
    assert ran(folder, 5)
    assert daemon.end() == 0
    assert "5/hour of alpha" in ingest("run", "alpha", code=75)


def test_a_paused_source_is_not_run_here_either_until_it_is_resumed(folder: Path, ingest: Ask) -> None:
    write_connector(folder, "alpha", NOTED)
    ingest("connectors", "pause", "alpha")
    refused = ingest("run", "alpha", code=75)
    assert "alpha was paused by" in refused
    assert "next: ingest connectors resume alpha" in refused
    assert not (folder / "runs").exists()
    ingest("connectors", "resume", "alpha")
    ingest("run", "alpha")
    assert ran(folder, 1)
