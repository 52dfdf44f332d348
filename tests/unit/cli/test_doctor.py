"""`ingest doctor`: what answers, what does not, and what to do."""

import json
import re
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from pytest_httpserver import HTTPServer

from cli import doctor
from runtime.exit_codes import ExitCode
from tests.unit.cli.conftest import Ingest

NOBODY = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_SECONDS", 1.0)


@pytest.fixture
def broker() -> Iterator[str]:
    """librdkafka's own broker, in this process."""
    owner = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    yield ",".join(str(each).split("/")[0] for each in owner.list_topics(timeout=10).brokers.values())
    owner.flush(1)


def test_nothing_answers(ingest: Ingest) -> None:
    result = ingest(
        "doctor",
        "--json",
        INGEST_KAFKA__BOOTSTRAP_SERVERS=NOBODY,
        INGEST_REGISTRY__URL=f"http://{NOBODY}",
        INGEST_CLICKHOUSE__URL=f"http://us:hunter2@{NOBODY}/db",
    )
    assert result.code == ExitCode.UNREACHABLE
    findings = {each["name"]: each for each in json.loads(result.out)["findings"]}
    assert {name: each["ok"] for name, each in findings.items()} == {
        "broker": False,
        "registry": False,
        "clickhouse": False,
        "connectors": True,
    }
    assert "INGEST_KAFKA__BOOTSTRAP_SERVERS" in findings["broker"]["fix"]
    assert "INGEST_REGISTRY__URL" in findings["registry"]["fix"]
    assert "user us" in findings["clickhouse"]["fix"]
    assert "hunter2" not in result.out + result.err
    assert result.err == ""


def test_what_answers_is_ok(ingest: Ingest, broker: str, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/subjects").respond_with_json(["a", "b"])
    result = ingest(
        "doctor",
        INGEST_KAFKA__BOOTSTRAP_SERVERS=broker,
        INGEST_REGISTRY__URL=httpserver.url_for(""),
        INGEST_CLICKHOUSE__URL=f"http://{NOBODY}",
    )
    lines = result.out.splitlines()
    assert lines[0].startswith(f"ok     broker      {broker}: 1 brokers")
    assert lines[1] == f"ok     registry    {httpserver.url_for('').rstrip('/')}: 2 subjects"
    assert lines[2].startswith("FAULT  clickhouse")
    assert lines[3].lstrip().startswith("fix: does ClickHouse's HTTP interface answer")


def finding(ingest: Ingest, name: str, **environment: str) -> dict[str, str]:
    """What the doctor says about one server, the others being away."""
    away = {
        "INGEST_KAFKA__BOOTSTRAP_SERVERS": NOBODY,
        "INGEST_REGISTRY__URL": f"http://{NOBODY}",
        "INGEST_CLICKHOUSE__URL": f"http://{NOBODY}",
    }
    result = ingest("doctor", "--json", **{**away, **environment})
    assert "developer.mozilla.org" not in result.out
    assert "Pool" not in result.out
    return next(each for each in json.loads(result.out)["findings"] if each["name"] == name)


@pytest.mark.parametrize(
    ("body", "status", "detail", "fix"),
    [
        ("no", 401, "refuses us (status 401 UNAUTHORIZED)", "INGEST_REGISTRY__USERNAME"),
        (
            "<h1>?</h1>",
            404,
            "answers, but not as a schema registry (status 404 NOT FOUND",
            "/apis/ccompat/v7",
        ),
        ("<h1>Hello</h1>", 200, "answers, but not as a schema registry (status 200 OK", "with the path"),
        ('{"a": 1}', 200, "answers, but not as a schema registry", "with the path"),
        ("", 503, "is there and not well (status 503", "log"),
    ],
)
def test_a_registry_that_is_none_or_refuses_is_told_in_words(
    ingest: Ingest, httpserver: HTTPServer, body: str, status: int, detail: str, fix: str
) -> None:
    httpserver.expect_request("/subjects").respond_with_data(body, status=status)
    found = finding(ingest, "registry", INGEST_REGISTRY__URL=httpserver.url_for(""))
    assert not found["ok"]
    assert detail in found["detail"]
    assert fix in found["fix"]


def test_servers_that_are_away_are_told_with_the_reason(ingest: Ingest) -> None:
    assert finding(ingest, "registry")["detail"] == f"http://{NOBODY} does not answer: Connection refused"
    away = f"http://{NOBODY}/default does not answer: Connection refused"
    assert finding(ingest, "clickhouse")["detail"] == away
    nowhere = finding(ingest, "clickhouse", INGEST_CLICKHOUSE__URL="http://nowhere.invalid")
    assert "does not answer: " in nowhere["detail"]


@pytest.mark.parametrize(
    ("body", "status", "code", "detail", "fix"),
    [
        ("Code: 81. (UNKNOWN_DATABASE)", 404, "81", "has no database nix", "CREATE DATABASE `nix`"),
        ("Code: 516.", 403, "516", "refuses user us (code 516)", "may user us use it"),
        ("Code: 241. Memory", 500, "241", "ClickHouse answers with an error", "INGEST_CLICKHOUSE__URL"),
        ("<h1>Hello</h1>", 501, None, "what answers is not ClickHouse", "INGEST_CLICKHOUSE__URL"),
    ],
)
def test_a_clickhouse_that_refuses_is_told_in_words(
    ingest: Ingest,
    httpserver: HTTPServer,
    body: str,
    status: int,
    code: str | None,
    detail: str,
    fix: str,
) -> None:
    headers = {"X-ClickHouse-Exception-Code": code} if code else {}
    httpserver.expect_request(re.compile(".*")).respond_with_data(body, status=status, headers=headers)
    url = f"http://us:hunter2@{httpserver.host}:{httpserver.port}/nix"
    found = finding(ingest, "clickhouse", INGEST_CLICKHOUSE__URL=url)
    assert detail in found["detail"]
    assert fix in found["fix"]
    assert "hunter2" not in json.dumps(found)
