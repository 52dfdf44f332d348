"""`ingest connectors pause | resume | restart | cursor`: exit codes and words, without a broker."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from connectors.registry import ConnectorRegistry
from producer.control import Control, Told
from producer.positions import Position
from producer.states import State
from producer.states_topic import Announcement
from runtime.exit_codes import ExitCode
from schemas.records import Pause
from tests.unit.cli.conftest import Ingest

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Stubborn(Control):
    """Its producer stays in one state, whatever it is asked for; None: there is none."""

    state: State | None = State.RUNNING

    def __init__(self, *_: Any) -> None:
        self.asked = Pause(source="prices", at=NOON, by="ann")
        self.connectors = ConnectorRegistry()

    def pause(self, name: str, by: str) -> None: ...

    def resume(self, name: str) -> None: ...

    def trigger(self, name: str, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(job_id=f"{name}@1")

    def source(self, name: str) -> Told:
        state = self.state
        told = None if state is None else Announcement(state=state, since=NOON, owner="a:1", partition=0)
        return Told(name, told, "a:1" if told else None, self.asked, ())


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> type[Stubborn]:
    class Own(Stubborn):
        """This test's."""

    monkeypatch.setattr("producer.control.Control", Own)
    monkeypatch.setattr("cli.fleet._check_answers", lambda settings, seconds: None)
    return Own


@pytest.mark.parametrize("command", ["pause", "resume"])
@pytest.mark.parametrize(
    ("wait", "late"),
    [(["--wait", "0.1"], True), (["--wait", "0.1", "--json"], True), (["--wait", "0"], False)],
)
def test_what_is_not_confirmed_in_time_is_no_success_unless_nobody_waits(
    ingest: Ingest, control: type[Stubborn], command: str, wait: list[str], late: bool
) -> None:
    control.state = State.RUNNING if command == "pause" else State.PAUSED
    result = ingest("connectors", command, "prices", *wait)
    assert result.code == (ExitCode.LATER if late else ExitCode.OK)
    assert control.state in result.out
    assert "has not done it yet" in result.err


@pytest.mark.parametrize(
    ("command", "state"),
    [
        ("pause", State.PAUSED),
        ("pause", None),
        ("resume", State.SCHEDULED),
        ("resume", None),
    ],
)
def test_what_is_so_is_a_success(
    ingest: Ingest, control: type[Stubborn], command: str, state: State | None
) -> None:
    control.state = state
    result = ingest("connectors", command, "prices")
    assert (result.code, result.err) == (ExitCode.OK, "")


def test_restart_says_that_it_reloads_no_code(ingest: Ingest) -> None:
    assert "start all of them again" in " ".join(ingest("connectors", "restart", "--help").out.split())


def test_a_job_for_a_source_that_no_producer_here_runs_says_which_setting_keeps_it_so(
    ingest: Ingest, control: type[Stubborn]
) -> None:
    control.state = None
    result = ingest("connectors", "trigger", "prices", INGEST_CONNECTORS__SKIP="prices")
    assert result.code == ExitCode.OK
    assert "INGEST_CONNECTORS__SKIP names it" in result.err


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, control: type[Stubborn]) -> list[Position]:
    """The stored positions; the source is paused."""
    control.state = State.PAUSED
    found: list[Position] = []

    @contextmanager
    def parts(*_: Any) -> Iterator[Any]:
        cursors = SimpleNamespace(
            load=lambda name: next(iter(found), None),
            load_all=lambda: {position.source: position for position in found},
        )
        yield SimpleNamespace(cursors=cursors, topics=SimpleNamespace(ensure_state=lambda names: None))

    monkeypatch.setattr("producer.assembly.assembled", parts)
    return found


def test_a_cursor_that_is_none_is_told_by_the_name_of_the_argument(
    ingest: Ingest, folder: Path, stored: list[Position]
) -> None:
    result = ingest("connectors", "cursor", "set", "prices", "banana")
    assert result.code == ExitCode.CONFIG
    assert result.err.startswith(
        "ingest: CURSOR cannot be used\n  'banana' is no value of prices's cursor field"
    )
    assert "since" not in result.err


@pytest.mark.parametrize("typed", ["7", '"7"'])
def test_a_cursor_may_be_typed_in_the_quotes_of_json(
    ingest: Ingest, folder: Path, stored: list[Position], typed: str
) -> None:
    result = ingest("connectors", "cursor", "set", "prices", typed)
    assert result.code == ExitCode.OK, result.err
    assert result.out.startswith("prices: no cursor yet -> 7: ")


def test_a_cursor_is_shown_as_it_may_be_typed(ingest: Ingest, folder: Path, stored: list[Position]) -> None:
    at = {"run_id": "r", "at": NOON, "writer": "w"}
    stored.append(Position(source="a", cursor="2026-01-01T12:00:00Z", **at))
    stored.append(Position(source="b", cursor=None, **at))
    _, first, second = ingest("connectors", "cursor", "show").out.splitlines()
    assert first.startswith("a       2026-01-01T12:00:00Z  never")
    assert second.startswith("b       no cursor yet         never")


@pytest.mark.parametrize(("level", "told"), [("info", False), ("debug", True), ("warning", False)])
def test_what_is_written_on_the_way_is_told_only_to_who_wants_details(
    ingest: Ingest, control: type[Stubborn], level: str, told: bool
) -> None:
    def pause(self: Stubborn, name: str, by: str) -> None:
        structlog.get_logger("producer.topics").info("topic_created", topic="_ingest.jobs")

    control.state = State.PAUSED
    control.pause = pause  # type: ignore[method-assign]
    result = ingest("connectors", "pause", "prices", INGEST_LOG__LEVEL=level)
    assert result.code == ExitCode.OK
    assert ("topic_created" in result.err) == told


@pytest.mark.parametrize(
    "command",
    [["pause"], ["resume"], ["trigger"], ["restart"], ["cursor", "show"], ["cursor", "reset"]],
)
def test_without_a_broker_it_is_said_at_once(ingest: Ingest, folder: Path, command: list[str]) -> None:
    result = ingest("connectors", *command, "prices", INGEST_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert result.code == ExitCode.UNREACHABLE
    assert "no broker answers at 127.0.0.1:1" in result.err
