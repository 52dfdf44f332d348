"""Fixtures of the producer's integration tests."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.daemon_process import DaemonProcess

# A daemon of a test shall run the test's own sources.
SKIP = "flights,news,weather"

Ask = Callable[..., Any]


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


@pytest.fixture
def own(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """What a daemon and the commands of a test have in common."""
    return {
        **environment,
        "INGEST_CONNECTORS__PATHS": str(folder),
        "INGEST_CONNECTORS__SKIP": SKIP,
        "INGEST_PRODUCER__SESSION_SECONDS": "6",
    }


@pytest.fixture
def daemon(tmp_path: Path, own: dict[str, str]) -> Iterator[DaemonProcess]:
    """A producer that notices soon that another one is dead, not started yet."""
    (tmp_path / "daemon").mkdir()
    daemon = DaemonProcess("producer", tmp_path / "daemon", own)
    yield daemon
    daemon.process.kill()


@pytest.fixture
def ingest(own: dict[str, str]) -> Ask:
    """Runs `ingest …`; its JSON, or with `code` its words on stderr."""

    def ingest(*words: str, code: int = 0) -> Any:
        command = [str(Path(sys.executable).with_name("ingest")), *words]
        done = subprocess.run(
            [*command, *([] if code else ["--json"])],
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stderr if code else json.loads(done.stdout)

    return ingest


@pytest.fixture
def ask(ingest: Ask) -> Ask:
    """`ingest connectors …`, likewise."""
    return partial(ingest, "connectors")
