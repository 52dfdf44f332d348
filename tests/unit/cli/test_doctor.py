"""`ingest doctor`: what answers, what does not, and what to do."""

import json
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


def test_a_registry_that_refuses_is_a_fault(ingest: Ingest, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/subjects").respond_with_data("no", status=401)
    result = ingest(
        "doctor", INGEST_KAFKA__BOOTSTRAP_SERVERS=NOBODY, INGEST_REGISTRY__URL=httpserver.url_for("")
    )
    assert "FAULT  registry    Client error '401 UNAUTHORIZED'" in result.out
