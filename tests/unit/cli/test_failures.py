"""Each error of ours has a readable block and the documented exit code; a foreign one is told as a fault."""

import importlib
import inspect
from collections.abc import Iterator

import pytest

from cli.failures import _KNOWN, exit_code, report
from connectors.errors import UnknownSourceError, UpstreamError
from runtime.errors import DependencyError, PortTakenError, SettingsError
from runtime.exit_codes import ExitCode
from schemas.errors import IncompatibleSchemaError, RegistryUnavailableError

ROOMS = ["runtime", "schemas", "connectors", "producer", "consumer", "devstack", "cli"]
# These do not stand in an errors.py.
ELSEWHERE = {"cli.daemons.DaemonDiedError", "cli.demo.flow.DemoStalledError"}


def _errors(room: str) -> Iterator[type[BaseException]]:
    module = importlib.import_module(f"{room}.errors")
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if issubclass(cls, Exception) and cls.__module__ == module.__name__:
            yield cls


@pytest.mark.parametrize("room", ROOMS)
def test_every_error_of_a_room_is_known(room: str) -> None:
    roots = {"runtime.errors.PlatformError"}
    for cls in _errors(room):
        names = {f"{base.__module__}.{base.__name__}" for base in cls.__mro__}
        assert names & _KNOWN.keys() or names & roots, f"{cls} has no entry in cli/failures.py"


def test_every_known_error_exists() -> None:
    for name in _KNOWN.keys() - ELSEWHERE:
        module, _, cls = name.rpartition(".")
        assert hasattr(importlib.import_module(module), cls), name


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("x"), ExitCode.CONFIG),
        (PortTakenError("127.0.0.1", 1), ExitCode.UNREACHABLE),
        (DependencyError("x"), ExitCode.UNREACHABLE),
        (RegistryUnavailableError("x"), ExitCode.UNREACHABLE),
        (UpstreamError("x"), ExitCode.UNREACHABLE),
        (UnknownSourceError("x"), ExitCode.CONFIG),
        (IncompatibleSchemaError("s", ["d"]), ExitCode.INCOMPATIBLE),
        (ZeroDivisionError("x"), ExitCode.ERROR),
    ],
)
def test_exit_codes(error: Exception, code: ExitCode) -> None:
    assert exit_code(error) == code


def test_a_block_has_what_where_why_and_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    report(IncompatibleSchemaError("ingest.weather-value", ["price: became text"]))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "ingest: the schema is incompatible"
    assert "  ingest.weather-value: the new schema cannot read records already published." in err
    assert "    - price: became text" in err
    assert err.splitlines()[-1].startswith("  next: give new fields a default")


def test_an_unexpected_error_is_short_unless_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError as exc:
        report(exc)
        short = capsys.readouterr().err
        report(exc, debug=True)
        long = capsys.readouterr().err
    assert short.startswith("ingest: unexpected ZeroDivisionError: division by zero\n")
    assert "--debug" in short
    assert "Traceback" not in short
    assert "Traceback" in long
    assert "test_failures.py" in long
