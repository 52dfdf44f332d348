"""What the loader refuses before it begins: in words, with the documented exit code, and at once."""

import json
from pathlib import Path

import pytest

from consumer.daemon import main
from runtime.exit_codes import ExitCode
from runtime.health import HealthServer
from runtime.settings import HttpSettings, load_settings
from tests.unit.log_state import log_as_before

NOWHERE = {"INGEST_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "INGEST_LOG__FORMAT": "json"}


def refusal(capsys: pytest.CaptureFixture[str], **environment: str) -> tuple[int, str]:
    """Exit code and reason of a start with these settings."""
    with log_as_before():
        code = main(load_settings(env={**NOWHERE, **environment}))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return code, next(line["error"] for line in lines if line["event"] == "cannot_start")


def test_a_cluster_is_refused_until_there_are_tables_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, reason = refusal(capsys, INGEST_CLICKHOUSE__CLUSTER="main")
    assert code == ExitCode.CONFIG
    assert "INGEST_CLICKHOUSE__CLUSTER=main: tables ON CLUSTER are not built yet" in reason


def test_a_kafka_property_without_sense_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, reason = refusal(capsys, INGEST_KAFKA__PROPERTIES__SECURITY_PROTOCOL="tsl")
    assert code == ExitCode.CONFIG
    assert "INGEST_KAFKA__PROPERTIES" in reason
    assert "security.protocol" in reason


def test_certificates_that_are_none_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    certificates = tmp_path / "ca.pem"
    certificates.write_text("nothing")
    code, reason = refusal(
        capsys, INGEST_REGISTRY__CA_FILE=str(certificates), INGEST_REGISTRY__URL="https://localhost:1"
    )
    assert code == ExitCode.CONFIG
    assert "schema registry https://localhost:1: cannot be set up" in reason


def test_a_taken_port_is_refused_with_the_code_of_what_is_not_available(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with HealthServer(HttpSettings(port=0), {}) as other:
        code, reason = refusal(capsys, INGEST_HTTP__PORT=other.address.rpartition(":")[2])
    assert code == ExitCode.UNREACHABLE
    assert "Set INGEST_HTTP__PORT to a free port" in reason
