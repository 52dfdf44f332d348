"""A daemon as users run it: a process told by its environment, asked through its probes and its log."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from devstack.ports import PortBook
from devstack.processes import ChildProcess


class DaemonProcess:
    """`python -m producer` or `python -m consumer`; its log is `<module>.log` in `folder`."""

    def __init__(self, module: str, folder: Path, environment: Mapping[str, str]) -> None:
        port = PortBook(folder / f"{module}-ports.json").port(module)
        self.url = f"http://127.0.0.1:{port}"
        variables = {"INGEST_HTTP__PORT": str(port), "INGEST_LOG__FORMAT": "json"}
        self.process = ChildProcess(
            module,
            [sys.executable, "-m", module],
            log=folder / f"{module}.log",
            env={**os.environ, **environment, **variables},
        )

    def start(self, *, seconds: float = 60.0) -> None:
        """Start it and wait until it says that it is ready."""
        self.process.start()
        self.process.wait_ready(lambda: self.missing("/readyz"), seconds=seconds)

    def events(self, event: str) -> list[dict[str, Any]]:
        """Log lines of an event, of all lives of the process."""
        log = self.process.log
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        parsed = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in parsed if line.get("event") == event]

    def missing(self, probe: str) -> str | None:
        """None if the probe is green, else what it says."""
        try:
            answer = httpx.get(f"{self.url}{probe}?verbose", timeout=5)
        except httpx.HTTPError as error:
            return str(error)
        return None if answer.status_code == httpx.codes.OK else answer.text

    def metric(self, sample: str) -> float:
        """The value of a sample such as `ingest_rows_inserted_total{table="x"}`; 0 while there is none."""
        try:
            text = httpx.get(f"{self.url}/metrics", timeout=5).text
        except httpx.HTTPError:
            return 0
        found = [line.rpartition(" ")[2] for line in text.splitlines() if line.rpartition(" ")[0] == sample]
        return float(found[0]) if found else 0

    def end(self, *, seconds: float = 40.0) -> int:
        """SIGTERM, then the exit code; fails if it takes longer than `seconds`."""
        self.process.terminate()
        return self.process.wait(seconds)


def until(true: Callable[[], bool], what: str, *, seconds: float = 60.0) -> None:
    """Return when `true()` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)
