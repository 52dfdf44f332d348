"""Help says what to type and what the exit codes mean; what was not understood ends with 2."""

import pytest
import typer.main

from cli.main import app
from runtime.exit_codes import ExitCode
from tests.unit.cli.conftest import Ingest


def test_help_opens_with_three_examples_and_ends_with_the_exit_codes(ingest: Ingest) -> None:
    result = ingest("--help")
    lines = result.out.splitlines()
    start = lines.index("  Examples:")
    assert all(line.strip().startswith("ingest ") for line in lines[start + 1 : start + 4])
    assert start < lines.index("Options:")
    codes = lines[lines.index("  Exit codes:") + 1 :]
    assert [int(line.split()[0]) for line in codes] == [code.value for code in ExitCode]


def test_no_line_of_the_list_of_commands_is_cut(ingest: Ingest) -> None:
    commands = ingest("--help").out.partition("Commands:")[2]
    assert "doctor" in commands
    assert "..." not in commands


@pytest.mark.parametrize("command", ["producer", "consumer", "connectors", "topics", "schemas", "config"])
def test_a_group_alone_shows_its_commands(ingest: Ingest, command: str) -> None:
    result = ingest(command)
    assert "Commands:" in result.out + result.err


def test_every_command_says_what_it_does() -> None:
    root = typer.main.get_group(app)
    commands = [
        (group_name, name, command)
        for group_name, group in root.commands.items()
        for name, command in getattr(group, "commands", {"": group}).items()
    ]
    assert len(commands) >= 13
    assert [entry[:2] for entry in commands if not entry[2].help] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--set", "x", "config", "show"],
        ["--set", "=x", "config", "show"],
        ["run"],
        ["run", "a", "b"],
    ],
)
def test_what_is_not_understood_ends_with_2(ingest: Ingest, arguments: list[str]) -> None:
    result = ingest(*arguments)
    assert result.code == ExitCode.USAGE
    assert result.out == ""
    assert "Error" in result.err


def test_version(ingest: Ingest) -> None:
    assert ingest("--version").out.startswith("ingest 0.")
