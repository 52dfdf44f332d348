"""Sources of installed packages: found by entry point, set aside and refused like files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from connectors.errors import DuplicateSourceError
from connectors.registry import ConnectorRegistry

if TYPE_CHECKING:
    from pathlib import Path


class Install(Protocol):
    """Puts a package `acme` with this module text and entry points on the path."""

    def __call__(self, text: str, **entry_points: str) -> None: ...


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    def put(text: str, **entry_points: str) -> None:
        (tmp_path / "acme_sources.py").write_text(text)
        folder = tmp_path / "acme-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in entry_points.items())
        (folder / "entry_points.txt").write_text(f"[ingest.connectors]\n{lines}")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "acme_sources", raising=False)

    return put


def test_a_source_of_a_package_is_found(install: Install, source: str) -> None:
    install(source, prices="acme_sources:Prices")
    plugin = ConnectorRegistry.discover(builtin=False).get("prices")
    assert plugin.origin == "entry point prices = acme_sources:Prices of acme"
    assert "prices" not in ConnectorRegistry.discover(builtin=False, entry_points=False).sources


@pytest.mark.parametrize(
    ("text", "value", "line", "cause"),
    [
        ("import sys\nsys.exit()", "acme_sources:Prices", 2, "SystemExit"),
        ("", "acme_sources:Prices", None, "AttributeError"),
        ("", "no_such_package:Prices", None, "ModuleNotFoundError"),
        ("Prices = 5", "acme_sources:Prices", None, "is 5, not a BaseConnector class"),
        ("", "acme_sources", None, "not a BaseConnector class"),
    ],
)
def test_what_is_broken_is_set_aside(
    install: Install, text: str, value: str, line: int | None, cause: str
) -> None:
    install(text, prices=value)
    (broken,) = ConnectorRegistry.discover(builtin=False).quarantined
    assert f"prices = {value} of acme" in broken.origin
    assert cause in broken.cause
    assert line is None or broken.line == line


def test_a_package_and_a_file_of_one_name_are_refused(install: Install, source: str, tmp_path: Path) -> None:
    install(source, prices="acme_sources:Prices")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "prices.py").write_text(source)
    with pytest.raises(DuplicateSourceError, match=r"mine/prices.py:6 and entry point prices = acme_sources"):
        ConnectorRegistry.discover([folder], builtin=False)
