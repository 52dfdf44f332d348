"""One of the dev stack's own servers as a process, on a free port, for tests of that server."""

import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from devstack.processes import ChildProcess

READY_SECONDS = 30.0
STOP_SECONDS = 10.0


class DevstackServer:
    """`python -m MODULE --port 0 --data FOLDER/data`: a context manager that is started when entered."""

    def __init__(self, module: str, folder: Path, *options: str, port: int = 0) -> None:
        self.data = folder / "data"
        arguments = ["--port", str(port), "--data", str(self.data), *options]
        argv = [sys.executable, "-m", module, *arguments]
        self.process = ChildProcess(module, argv, log=folder / "server.log")
        self.address = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.stop(STOP_SECONDS)

    def start(self) -> None:
        """Start, again after an end, and wait for the ready line; the address may be another one."""
        self.process.start()
        self.process.wait_ready(self._missing, seconds=READY_SECONDS)

    def run_to_its_end(self) -> tuple[int, str]:
        """Start it where it cannot go on, and return its exit code and what it said."""
        self.process.start()
        return self.process.wait(READY_SECONDS), self.process.log_tail()

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def _missing(self) -> str | None:
        for line in self.process.log_tail().splitlines():
            if line.startswith("{"):
                self.address = json.loads(line)["address"]
                return None
        return "no ready line yet"
