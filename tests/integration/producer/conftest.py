"""Fixtures of the producer's integration tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon_process import DaemonProcess

# A daemon of a test shall run the test's own sources.
SKIP = "flights,news,weather"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the test puts its connector files."""
    folder = tmp_path / "sources"
    folder.mkdir()
    return folder


@pytest.fixture
def producer(tmp_path: Path, folder: Path, environment: dict[str, str]) -> Iterator[DaemonProcess]:
    """The daemon, not started yet; it ends with the test."""
    own = {**environment, "INGEST_CONNECTORS__PATHS": str(folder), "INGEST_CONNECTORS__SKIP": SKIP}
    daemon = DaemonProcess("producer", tmp_path, own)
    yield daemon
    daemon.process.kill()
