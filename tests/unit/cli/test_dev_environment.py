"""What `ingest dev` gives a second shell."""

import os
import subprocess
from pathlib import Path

import pytest

from cli.dev import _exports, _server, _write_environment


def test_values_arrive_in_a_shell_as_they_are() -> None:
    value = """{"a": "it's $HOME"}"""
    script = _exports({"INGEST_X": value}) + 'printf %s "$INGEST_X"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == value


def test_a_second_shell_gets_what_the_daemons_were_given_and_a_free_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("INGEST_")]:
        monkeypatch.delenv(name)
    given = {
        "INGEST_SOURCES__QUAKES__URL": "http://127.0.0.1:8000/it's here",
        "INGEST_KAFKA__BOOTSTRAP_SERVERS": "elsewhere:9092",
        "INGEST_HTTP__PORT": "8080",
        "INGEST_CONFIG": "my.toml",
        "INGEST_TEST_STACK": "containers",
        "PRIVATE": "no",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "env"
    file.write_text("old")
    stack = {"INGEST_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "INGEST_CONNECTORS__PATHS": "/mine"}
    _write_environment(file, stack)
    script = f". {file}; env -0"
    clean = {"PATH": os.environ["PATH"]}
    shown = subprocess.run(["sh", "-c", script], env=clean, capture_output=True, text=True, check=True).stdout
    variables = dict(line.split("=", 1) for line in shown.split("\0") if line.startswith("INGEST_"))
    assert variables == {
        "INGEST_SOURCES__QUAKES__URL": "http://127.0.0.1:8000/it's here",
        "INGEST_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "INGEST_CONNECTORS__PATHS": "/mine",
        "INGEST_CONFIG": str(tmp_path / "my.toml"),
        "INGEST_HTTP__PORT": "0",
    }
    assert "PRIVATE" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_the_address_for_queries_has_neither_user_nor_database() -> None:
    assert _server("http://default@127.0.0.1:8123/default") == "http://127.0.0.1:8123/"
