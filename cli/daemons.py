"""Both daemons as child processes beside a dev stack, for `ingest dev` and `ingest demo`.

They are the same programs that run in containers, told by environment variables where the stack is.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from devstack.ports import LOOPBACK, PortBook
from devstack.processes import ChildProcess, how_it_ended
from devstack.stack import DevStack

READY_SECONDS = 60.0
# Longer than the daemons' own drain, which must be allowed to end first.
STOP_SECONDS = 40.0
PROBE_SECONDS = 5.0


class Daemon:
    """One of our daemons as a child process; `metrics` reads what it counts.

    `module` is `producer` or `consumer`. Its log is `logs/<module>.log` in the stack's folder.
    """

    def __init__(self, module: str, folder: Path, port: int, environment: Mapping[str, str]) -> None:
        self.name = module
        self.url = f"http://{LOOPBACK}:{port}"
        variables = {"INGEST_HTTP__PORT": str(port), "INGEST_LOG__FORMAT": "json", **environment}
        self.process = ChildProcess(
            module,
            [sys.executable, "-m", module],
            log=folder / "logs" / f"{module}.log",
            env={**os.environ, **variables},
        )

    def metrics(self) -> str:
        """The daemon's metrics in Prometheus' text form; empty while it does not answer."""
        try:
            return httpx.get(f"{self.url}/metrics", timeout=PROBE_SECONDS).text
        except httpx.HTTPError:
            return ""

    def alive(self) -> str | None:
        """None when the daemon's liveness probe is green, else what is missing."""
        try:
            status = httpx.get(f"{self.url}/livez", timeout=PROBE_SECONDS).status_code
        except httpx.HTTPError as error:
            return f"GET {self.url}/livez: {error}"
        return None if status == httpx.codes.OK else f"GET {self.url}/livez answered {status}"


class Daemons:
    """Producer and consumer of one stack: entering starts both, leaving drains both (SIGTERM)."""

    def __init__(self, stack: DevStack, extra: Mapping[str, str] | None = None) -> None:
        environment = {**stack.environment(), **(extra or {})}
        ports = PortBook(stack.folder / "ports.json")
        self.producer, self.consumer = (
            Daemon(module, stack.folder, ports.port(module), environment)
            for module in ("producer", "consumer")
        )

    @property
    def both(self) -> tuple[Daemon, Daemon]:
        return self.producer, self.consumer

    def __enter__(self) -> Self:
        try:
            for daemon in self.both:
                daemon.process.start()
            for daemon in self.both:
                daemon.process.wait_ready(daemon.alive, seconds=READY_SECONDS)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Drain both and wait for their end; what does not end within its time is killed."""
        for daemon in self.both:
            daemon.process.terminate()
        for daemon in self.both:
            daemon.process.stop(STOP_SECONDS)

    def raise_if_died(self) -> None:
        """Raise DaemonDiedError with the end of its log when a daemon has ended by itself."""
        for daemon in self.both:
            if not daemon.process.running:
                raise DaemonDiedError(
                    f"The {daemon.name} {how_it_ended(daemon.process.exit_code)}, which nobody asked for. "
                    f"Its log is {daemon.process.log}; the last lines:\n{daemon.process.log_tail()}"
                )


class DaemonDiedError(RuntimeError):
    """A daemon that should run has ended."""
