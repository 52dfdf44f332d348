"""Fixtures of the chaos suites."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the test puts its connector files."""
    folder = tmp_path / "sources"
    folder.mkdir()
    return folder
