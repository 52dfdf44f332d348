"""A daemon as users run it: a process told by its environment, asked through its probes and its log."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from devstack.ports import PortBook
from devstack.processes import ChildProcess

T = TypeVar("T")


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
        parsed = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in parsed if line.get("event") == event]

    def log(self) -> str:
        """Everything that it has written, in all lives of the process."""
        return self.process.log.read_text(encoding="utf-8") if self.process.log.exists() else ""

    def probe(self, path: str) -> tuple[int, str]:
        """Status and text of a page; (0, what is wrong) while it does not answer."""
        try:
            answer = httpx.get(f"{self.url}{path}", timeout=5)
        except httpx.HTTPError as error:
            return 0, str(error)
        return answer.status_code, answer.text

    def missing(self, probe: str) -> str | None:
        """None if the probe is green, else what it says."""
        status, text = self.probe(f"{probe}?verbose")
        return None if status == httpx.codes.OK else text

    def metric(self, sample: str) -> float:
        """The value of a sample such as `ingest_rows_inserted_total{table="x"}`; 0 while there is none."""
        _, text = self.probe("/metrics")
        found = [line.rpartition(" ")[2] for line in text.splitlines() if line.rpartition(" ")[0] == sample]
        return float(found[0]) if found else 0

    def end(self, *, seconds: float = 40.0) -> int:
        """SIGTERM, then the exit code; fails if it takes longer than `seconds`."""
        self.process.terminate()
        return self.process.wait(seconds)


def until(condition: Callable[[], T], what: str, seconds: float = 60.0) -> T:
    """Poll until the condition holds; returns its value, or fails saying what did not come."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"within {seconds:g} s there was not: {what}")
        time.sleep(0.05)
    return value
