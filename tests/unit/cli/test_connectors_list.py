"""`ingest connectors list`: what the producers say beside what is known here, and what nobody knows."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.fleet import Asked
from producer.control import CHANGING, NOBODY, Told
from producer.states import State
from producer.states_topic import Announcement
from runtime.exit_codes import ExitCode
from schemas.records import JobPayload, Pause
from tests.unit.cli.conftest import Ingest

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PAUSE = Pause(source="prices", at=NOON, by="ann@home")


def told(state: State, *jobs: JobPayload, reason: str | None = None, pause: Pause | None = None) -> Told:
    announced = Announcement(
        source="prices", state=state, since=NOON, reason=reason, owner="host:17", partition=0
    )
    return Told("prices", announced, "host:17", pause, jobs)


def line(ingest: Ingest, monkeypatch: pytest.MonkeyPatch, prices: Told) -> str:
    monkeypatch.setattr("cli.fleet.fleet_states", lambda *_: Asked({"prices": prices}))
    result = ingest("connectors", "list")
    assert result.code == ExitCode.OK
    [found] = [text for text in result.out.splitlines() if text.startswith("prices ")]
    return found


def test_without_a_broker_nothing_is_said_to_be_ready_and_it_ends_with_4(
    ingest: Ingest, folder: Path
) -> None:
    away = {"INGEST_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    result = ingest("connectors", "list", "--json", **away)
    assert result.code == ExitCode.UNREACHABLE
    rows = {row["source"]: row for row in json.loads(result.out)}
    assert rows["prices"]["state"] == "unknown"
    assert rows["prices"]["detail"] == "no broker answers at 127.0.0.1:1"
    assert rows["news"]["state"] == "not configured"
    text = ingest("connectors", "list")
    assert text.code == ExitCode.UNREACHABLE
    assert "what runs is not known: no broker answers at 127.0.0.1:1" in text.err
    assert "ready" not in text.out


def test_a_source_that_was_never_run_is_ready(
    ingest: Ingest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.fleet.fleet_states", lambda *_: Asked())
    result = ingest("connectors", "list", "--json")
    assert result.code == ExitCode.OK
    assert {row["source"]: row["state"] for row in json.loads(result.out)}["prices"] == "ready"


def test_jobs_that_are_not_over_are_counted(
    ingest: Ingest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = JobPayload(source="prices", reason="triggered by ann@home")
    other = JobPayload(source="prices", reason="restarted by bob@home")
    failed = JobPayload(source="prices", reason="it broke", failed=NOON)
    assert "1: triggered by ann@home  " in line(ingest, monkeypatch, told(State.PAUSED, one, pause=PAUSE))
    both = line(ingest, monkeypatch, told(State.RUNNING, one, other, failed))
    assert "2: triggered by ann@home …  " in both
    line(ingest, monkeypatch, told(State.SCHEDULED))
    assert "jobs" not in ingest("connectors", "list").out.splitlines()[0].split()


def test_a_pause_that_is_not_in_force_yet_is_told(
    ingest: Ingest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pausing = line(ingest, monkeypatch, told(State.RUNNING, pause=PAUSE))
    assert pausing.endswith("pausing, asked by ann@home")
    paused = line(ingest, monkeypatch, told(State.PAUSED, reason="paused by ann@home", pause=PAUSE))
    assert paused.endswith("  paused by ann@home")


def test_a_failed_source_has_its_next_step(
    ingest: Ingest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = line(ingest, monkeypatch, told(State.FAILED, reason="no token\nat line 3"))
    assert "  no token …; next: ingest connectors try prices; " in failed
    assert failed.endswith("ingest connectors restart prices")


@pytest.mark.parametrize(
    ("holder", "says"),
    [
        (NOBODY, "no producer runs it: start one with `ingest producer run`"),
        (CHANGING, "it is just being handed over"),
        ("host:18", "the producer host:18 has its partition, but does not run it"),
    ],
)
def test_a_source_without_an_owner_says_why_and_what_it_was(
    ingest: Ingest, folder: Path, monkeypatch: pytest.MonkeyPatch, holder: str, says: str
) -> None:
    failed = JobPayload(source="prices", reason="it broke", failed=NOON)
    unowned = replace(told(State.FAILED, failed, pause=PAUSE), holder=holder)
    found = line(ingest, monkeypatch, unowned)
    assert says in found
    assert found.endswith("; it is paused by ann@home; it FAILED before that: it broke")


def test_a_source_that_only_the_fleet_knows_is_told_to_have_no_connector_here(
    ingest: Ingest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = replace(told(State.SCHEDULED), source="gone", holder="host:18")
    monkeypatch.setattr("cli.fleet.fleet_states", lambda *_: Asked({"gone": gone}))
    rows = {row["source"]: row for row in json.loads(ingest("connectors", "list", "--json").out)}
    assert rows["gone"]["detail"].endswith("; no connector here has this name")
