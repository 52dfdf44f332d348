"""The commands that hand over to other rooms pass on what was said and end with their code."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from producer.run import RunReport
from runtime.exit_codes import ExitCode
from runtime.settings import Settings
from tests.unit.cli.conftest import Ingest

REPORT = RunReport("prices", "r1", extracted=5, published=5, rejected=0, seconds=0.5, cursor="2026-01-01")


@pytest.mark.parametrize("room", ["producer", "consumer"])
def test_a_daemon_gets_the_settings_and_its_code_is_the_commands(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    seen: list[Settings] = []

    def main(settings: Settings) -> int:
        seen.append(settings)
        return 4

    daemon = ModuleType(f"{room}.daemon")
    daemon.main = main  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, f"{room}.daemon", daemon)
    result = ingest("--set", "http.port=0", room, "run")
    assert result.code == 4
    assert seen[0].http.port == 0


@pytest.mark.parametrize(("rejected", "code"), [(0, ExitCode.OK), (2, ExitCode.DEAD_LETTERS)])
def test_one_pass_reports_its_counts(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, rejected: int, code: ExitCode
) -> None:
    asked: list[Any] = []

    def run_once(settings: Settings, source: str, since: Any) -> RunReport:
        asked.append((source, since))
        return replace(REPORT, rejected=rejected, published=5 - rejected)

    monkeypatch.setattr("producer.once.run_once", run_once)
    result = ingest("run", "prices", "--since", "2026-01-01", "--json")
    assert (result.code, asked) == (code, [("prices", "2026-01-01")])
    assert json.loads(result.out)["published"] == 5 - rejected
    assert ("ingest topics tail prices --dead-letters" in result.err) == bool(rejected)
    assert "prices: 5 extracted" in ingest("run", "prices").out


def test_one_pass_of_an_unknown_source_ends_with_3(ingest: Ingest) -> None:
    result = ingest("run", "wether")
    assert result.code == ExitCode.CONFIG
    assert "did you mean 'weather'?" in result.err


@pytest.mark.parametrize(
    ("command", "module", "expected"),
    [
        (
            ["dev", "--keep", "d", "--broker", "tansu", "--connectors", "a", "--connectors", "b"],
            "cli.dev",
            (Path("d"), "tansu", (Path("a"), Path("b")), {}),
        ),
        (["dev"], "cli.dev", (None, "auto", (), {})),
        (
            ["--set", "producer.workers=2", "--debug", "--set", "connectors.paths=b", "dev"],
            "cli.dev",
            (
                None,
                "auto",
                (Path("b"),),
                {
                    "INGEST_PRODUCER__WORKERS": "2",
                    "INGEST_CONNECTORS__PATHS": "b",
                    "INGEST_LOG__LEVEL": "debug",
                },
            ),
        ),
        (["demo", "--keep", "d", "--json", "--broker", "kafka"], "cli.demo", (Path("d"), True, "kafka")),
        (["demo"], "cli.demo", (None, False, "auto")),
    ],
)
def test_dev_and_demo_get_their_options(
    ingest: Ingest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: list[str],
    module: str,
    expected: tuple[Any, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        Path(folder).mkdir()
    seen: list[tuple[Any, ...]] = []

    def run(*arguments: Any) -> int:
        seen.append(arguments)
        return 1

    monkeypatch.setattr(f"{module}.run", run)
    assert ingest(*command).code == 1
    assert seen == [expected]


@pytest.mark.parametrize("command", [["run", "weather"], ["producer", "run"], ["topics", "tail", "weather"]])
def test_a_kafka_property_without_sense_ends_with_3_before_anything_is_asked(
    ingest: Ingest, command: list[str]
) -> None:
    result = ingest(
        *command,
        INGEST_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1",
        INGEST_KAFKA__PROPERTIES__SECURITY_PROTOCOL="tsl",
    )
    assert result.code == ExitCode.CONFIG
    assert "INGEST_KAFKA__PROPERTIES" in result.err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["dev", "--connectors", "/no/such/folder"], "/no/such/folder cannot be read"),
        (["--set", "source.x.y=1", "dev"], "source.x.y: there is no such setting"),
        (["--set", "sources.wether.places=1", "dev"], "did you mean 'weather'?"),
        (["--set", "http.port=many", "demo"], "INGEST_HTTP__PORT"),
    ],
)
def test_dev_and_demo_refuse_what_their_daemons_would_refuse_before_anything_starts(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, command: list[str], said: str
) -> None:
    for module in ("cli.dev", "cli.demo"):
        monkeypatch.setattr(f"{module}.run", lambda *arguments: pytest.fail("it has started"))
    result = ingest(*command)
    assert result.code == ExitCode.CONFIG
    assert said in result.err
