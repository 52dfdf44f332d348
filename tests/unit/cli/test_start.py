"""The command starts instantly, because it imports nothing heavy before it knows what to do."""

import subprocess
import sys

import pytest

HEAVY = {
    "chdb",
    "clickhouse_connect",
    "confluent_kafka",
    "connectors",
    "devstack",
    "fastapi",
    "fastavro",
    "httpx",
    "prometheus_client",
    "pydantic",
    "pydantic_settings",
    "rich",
    "structlog",
    "tenacity",
    "uvicorn",
}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["connectors", "try", "--help"],
        ["topics", "tail", "--help"],
        ["demo", "--help"],
        ["nonsense"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert done.returncode == (2 if arguments == ["nonsense"] else 0)
    assert "typer" in imported
    # typer reads the options of a command with pydantic; only `ingest --help` gets by without any.
    allowed = set() if arguments[0].startswith("--") else {"pydantic"}
    assert HEAVY & {name.partition(".")[0] for name in imported} <= allowed
