"""What `ingest dev` gives a second shell."""

import subprocess

from cli.dev import _exports, _server


def test_values_arrive_in_a_shell_as_they_are() -> None:
    value = """{"a": "it's $HOME"}"""
    script = _exports({"INGEST_X": value}) + 'printf %s "$INGEST_X"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == value


def test_the_address_for_queries_has_neither_user_nor_database() -> None:
    assert _server("http://default@127.0.0.1:8123/default") == "http://127.0.0.1:8123/"
