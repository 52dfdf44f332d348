"""The commands that hand over to other rooms pass on what was said and end with their code."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cli.blame import check_items
from connectors.base import BaseConnector
from connectors.registry import ConnectorRegistry
from producer.errors import RunLimitedError, source_error
from producer.metrics import DEDUPLICATED, EXTRACTED, PUBLISHED
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


Answer = Callable[..., RunReport]


@pytest.fixture
def run_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], list[tuple[Any, ...]]]:
    """Let passes end as `answer` says, without any server; gives what they were asked for."""

    def patch(answer: Answer) -> list[tuple[Any, ...]]:
        asked: list[tuple[Any, ...]] = []

        def run(
            settings: Settings, source: str, since: Any, until: Any, *, connectors: ConnectorRegistry
        ) -> RunReport:
            asked.append((source, since) if until is None else (source, since, until))
            return answer(connectors.create(source, settings.sources.get(source, {})))

        monkeypatch.setattr("cli.single.run_once", run)
        return asked

    return patch


RunOnce = Callable[[Answer], list[tuple[Any, ...]]]


@pytest.mark.parametrize(("rejected", "code"), [(0, ExitCode.OK), (2, ExitCode.DEAD_LETTERS)])
def test_one_pass_reports_its_counts(
    ingest: Ingest, folder: Path, run_once: RunOnce, rejected: int, code: ExitCode
) -> None:
    asked = run_once(lambda _: replace(REPORT, rejected=rejected, published=5 - rejected))
    result = ingest("run", "prices", "--since", "7", "--json")
    assert (result.code, asked) == (code, [("prices", "7")])
    assert json.loads(result.out)["published"] == 5 - rejected
    assert ("ingest topics tail prices --dead-letters" in result.err) == bool(rejected)
    assert "prices: 5 extracted" in ingest("run", "prices").out


def test_a_pass_says_what_was_there_already_and_how_far_it_came(
    ingest: Ingest, folder: Path, run_once: RunOnce
) -> None:
    run_once(lambda _: replace(REPORT, published=0, deduplicated=5))
    told = ingest("run", "prices").out
    assert "5 extracted, 0 published, 5 there already, 0 rejected in 0.5 s; cursor 2026-01-01\n" in told
    run_once(lambda _: replace(REPORT, cursor=None))
    assert "5 published, 0 rejected in 0.5 s; no cursor yet\n" in ingest("run", "prices").out
    (folder / "odd.py").write_text(FAILS.format(body="yield 1"))
    assert ingest("run", "odd").out.endswith("in 0.5 s\n")


def test_a_pass_that_was_interrupted_says_so(ingest: Ingest, folder: Path, run_once: RunOnce) -> None:
    run_once(lambda _: replace(REPORT, completed=False))
    result = ingest("run", "prices")
    assert result.code == ExitCode.INTERRUPTED
    assert "prices: interrupted before the end of its source; 5 extracted" in result.out
    assert "next: ingest run prices, which begins at the cursor" in result.err
    (folder / "odd.py").write_text(FAILS.format(body="yield 1"))
    assert "next: ingest run odd, which begins anew" in ingest("run", "odd").err


def test_a_setting_for_a_source_that_is_not_there_is_told(
    ingest: Ingest, folder: Path, run_once: RunOnce
) -> None:
    run_once(lambda _: REPORT)
    result = ingest("run", "prices", INGEST_SOURCES__PRICESS__API_KEY="x")
    assert result.code == ExitCode.OK
    assert "INGEST_SOURCES__PRICESS is not used: " in result.err
    assert "did you mean 'prices'" in result.err


BACKFILL = ["run", "prices", "--since", "7", "--until", "9"]


def test_a_backfill_reports_its_slices(ingest: Ingest, folder: Path, run_once: RunOnce) -> None:
    asked = run_once(lambda _: replace(REPORT, until=9, slices=2, slices_done=2))
    told = json.loads(ingest(*BACKFILL, "--json").out)
    assert asked == [("prices", "7", "9")]
    assert (told["until"], told["slices"], told["slices_done"]) == (9, 2, 2)
    assert "prices: slices done: 2 of 2; 5 extracted" in ingest(*BACKFILL).out


def test_a_backfill_that_was_interrupted_goes_on_with_the_same_command(
    ingest: Ingest, folder: Path, run_once: RunOnce
) -> None:
    run_once(lambda _: replace(REPORT, completed=False, until=9, slices=2, slices_done=1))
    result = ingest(*BACKFILL)
    assert result.code == ExitCode.INTERRUPTED
    assert "slices done: 1 of 2" in result.out
    assert "next: ingest run prices --since 7 --until 9, which goes on where it was" in result.err


def test_a_backfill_that_a_limit_ends_is_not_left_to_a_daemon(
    ingest: Ingest, folder: Path, run_once: RunOnce
) -> None:
    def limited(_: BaseConnector) -> RunReport:
        raise RunLimitedError("prices: quota 60/hour is used up until 13:00")

    run_once(limited)
    result = ingest(*BACKFILL)
    assert result.code == ExitCode.LATER
    assert "quota 60/hour" in result.err
    assert "next: at that time, the same command goes on" in result.err
    assert "daemon" not in result.err


@pytest.mark.parametrize(
    ("extracted", "said"),
    [(0, "nothing was extracted"), (2, "2 extracted, 0 published, 0 rejected; what was")],
)
def test_a_limit_is_no_failure_and_says_only_what_has_been(
    ingest: Ingest, folder: Path, run_once: RunOnce, extracted: int, said: str
) -> None:
    def limited(_: BaseConnector) -> RunReport:
        EXTRACTED.labels("prices").inc(extracted)
        raise RunLimitedError("prices: waiting until 13:00 because of rate limit of prices")

    run_once(limited)
    result = ingest("run", "prices")
    assert result.code == ExitCode.LATER
    assert f"because of rate limit of prices\n  {said}" in result.err
    assert "next: run it again at that time, or leave it to the daemon" in result.err


@pytest.mark.parametrize(
    ("source", "bounds", "said"),
    [
        ("prices", ["--until", "9"], "until='9' needs a `since`"),
        ("prices", ["--since", "9", "--until", "9"], "since='9' is not before until='9'"),
        (
            "prices",
            ["--since", "1", "--until", "noon"],
            "until='noon' is no value of prices's cursor field `id`",
        ),
        ("odd", ["--since", "1", "--until", "2"], "odd: it declares no cursor. Run it without `until`"),
    ],
)
def test_bounds_that_are_none_are_told_before_any_server_is_asked(
    ingest: Ingest, folder: Path, source: str, bounds: list[str], said: str
) -> None:
    (folder / "odd.py").write_text(FAILS.format(body="yield 1"))
    result = ingest("run", source, *bounds, INGEST_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert result.code == ExitCode.CONFIG
    assert result.err.startswith("ingest: --until cannot be used")
    assert said in result.err


FAILS = """from pydantic import BaseModel
from connectors import BaseConnector, UpstreamError
class Odd(BaseConnector):
    name = "odd"
    class Record(BaseModel):
        id: int
    class Settings(BaseModel):
        token: str = ""
    def extract(self, since=None):
        {body}
"""


def fail(connector: BaseConnector) -> RunReport:
    """As the engine: counts what came, then the error of the connector as SourceError."""
    try:
        for _ in check_items(connector.extract(None)):
            EXTRACTED.labels("odd").inc()
            PUBLISHED.labels("odd", "ingest.odd").inc()
    except BaseException as exc:
        raise source_error("odd", "extract", exc) from exc
    return REPORT


@pytest.mark.parametrize(
    ("body", "count", "said", "line"),
    [
        ("yield 1; raise KeyError('answer')", 1, "KeyError: 'answer'", 10),
        ("yield 1; exit(7)", 1, "SystemExit(7) would end the program; raise another error", 10),
        ("return None", 0, "TypeError: extract must yield its items one by one, it returned NoneType", 9),
        ("yield 1; raise UpstreamError('it is down')", 1, "it is down", 10),
    ],
)
def test_a_pass_whose_connector_fails_says_what_try_says_and_what_was_published(
    ingest: Ingest, folder: Path, run_once: RunOnce, body: str, count: int, said: str, line: int
) -> None:
    (folder / "odd.py").write_text(FAILS.format(body=body))
    run_once(fail)
    result = ingest("run", "odd", "--json")
    assert result.code == ExitCode.ERROR
    assert f"source odd, after {count} items: {said}\n" in result.err
    assert f"{folder / 'odd.py'}:{line}\n" in result.err
    assert f"{count} extracted, {count} published, 0 rejected; what was published stays" in result.err
    assert "`ingest connectors try odd`" in result.err
    told = json.loads(result.out)
    assert (told["ok"], told["exit_code"], told["error"]) == (False, 1, "the run failed")
    assert (told["source"], told["published"]) == ("odd", count)
    assert (told["file"], told["line"]) == (str(folder / "odd.py"), line)
    tried = ingest("connectors", "try", "odd", "--json")
    if "UpstreamError" not in body:
        assert f"source odd, after {count} items: {said}\n" in tried.err
        assert f"{folder / 'odd.py'}:{line}\n" in tried.err
    assert json.loads(tried.out)["ok"] is False


def test_a_failed_pass_says_what_was_there_already(ingest: Ingest, folder: Path, run_once: RunOnce) -> None:
    def fail_late(_: BaseConnector) -> RunReport:
        EXTRACTED.labels("odd").inc(3)
        DEDUPLICATED.labels("odd").inc(2)
        raise source_error("odd", "extract", KeyError("answer"))

    (folder / "odd.py").write_text(FAILS.format(body="yield 1"))
    run_once(fail_late)
    result = ingest("run", "odd", "--json")
    assert "3 extracted, 0 published, 2 there already, 0 rejected; what was published stays" in result.err
    assert json.loads(result.out)["deduplicated"] == 2


def test_an_error_as_json_shows_no_secret(ingest: Ingest, folder: Path, run_once: RunOnce) -> None:
    (folder / "odd.py").write_text(FAILS.format(body="raise ValueError(self.settings.token)"))
    run_once(fail)
    result = ingest("run", "odd", "--json", INGEST_SOURCES__ODD__TOKEN="hunter2hunter2")
    assert "ValueError" in json.loads(result.out)["message"]
    assert "hunter2" not in result.out + result.err


def test_what_a_pass_lacks_is_told_before_any_server_is_asked(ingest: Ingest, folder: Path) -> None:
    away = {"INGEST_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    missing = ingest("run", "news", **away)
    assert missing.code == ExitCode.CONFIG
    assert "to use it, set INGEST_SOURCES__NEWS__BASE_URL (for example https://news" in missing.err
    since = ingest("run", "flights", "--since", "5", **away)
    assert since.code == ExitCode.CONFIG
    assert "such as 2026-01-31 or 2026-01-31T08:00:00Z" in since.err
    assert since.err.startswith("ingest: --since cannot be used")


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
            (Path("d"), "tansu", (Path("a"), Path("b")), {}, {"with_daemons": True}),
        ),
        (["dev"], "cli.dev", (None, "auto", (), {}, {"with_daemons": True})),
        (["dev", "--no-daemons"], "cli.dev", (None, "auto", (), {}, {"with_daemons": False})),
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
                {"with_daemons": True},
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

    def run(*arguments: Any, **options: Any) -> int:
        seen.append((*arguments, options) if options else arguments)
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
        monkeypatch.setattr(f"{module}.run", lambda *arguments, **options: pytest.fail("it has started"))
    result = ingest(*command)
    assert result.code == ExitCode.CONFIG
    assert said in result.err
