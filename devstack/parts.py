"""A part of the stack: one server process with a fixed port that can be stopped, killed and started again.

Clients keep the address over a restart: a part never changes its port while its stack lives. What a part
runs and how it is asked whether it answers is said by its subclass; process handling is in processes.py.
"""

import http.client
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from devstack.errors import FolderUnusableError, PartDiedError
from devstack.ports import LOOPBACK, await_free
from devstack.processes import ChildProcess, how_it_ended

# After a kill -9 the kernel needs a moment to close the listening socket.
PORT_SECONDS = 5.0


class Part(ABC):
    """One server process of the stack.

    start() = launch() + await_ready(). launch() returns as soon as the process exists, so that several
    parts can come up at the same time. stop() ends it in order, kill() as a crash would; both return when
    it is gone, and start() brings it back on the same port with the data it keeps.
    """

    ready_seconds = 30.0
    stop_seconds = 10.0

    def __init__(self, name: str, port: int, folder: Path, log: Path) -> None:
        self.name = name
        self.port = port
        self.folder = folder
        self.log = log
        self._child: ChildProcess | None = None

    @abstractmethod
    def argv(self) -> list[str]:
        """Return the command that runs the server; its working directory is `folder`."""

    @abstractmethod
    def check(self) -> str | None:
        """Ask the server once: None when it answers as it should, else what is missing."""

    def environment(self) -> Mapping[str, str]:
        """Return the variables that the server sees."""
        return os.environ

    def prepare(self) -> None:  # noqa: B027 - most parts need no preparation
        """Get ready for launch, for instance format a data folder."""

    @property
    def address(self) -> str:
        """Return `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """Return `http://host:port`."""
        return f"http://{self.address}"

    @property
    def pid(self) -> int | None:
        """Process id, None before the first start."""
        return self._child.pid if self._child else None

    @property
    def running(self) -> bool:
        """Whether the process exists now."""
        return self._child is not None and self._child.running

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises PartNotReadyError with the end of its log, or PortTakenError.
        """
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Start the process without waiting for its answer. Does nothing while it runs."""
        if self.running:
            return
        make_folder(self.folder)
        await_free(self.name, self.port, seconds=PORT_SECONDS)
        self.prepare()
        self._child = ChildProcess(
            self.name, self.argv(), log=self.log, cwd=self.folder, env=self.environment()
        )
        self._child.start()

    def await_ready(self) -> None:
        """Wait until the launched server answers, at most `ready_seconds`."""
        assert self._child is not None
        self._child.wait_ready(self.check, seconds=self.ready_seconds)

    def terminate(self) -> None:
        """Ask the server to end, without waiting."""
        if self._child:
            self._child.terminate()

    def stop(self) -> None:
        """End the server in order; after `stop_seconds` by force."""
        if self._child:
            self._child.stop(self.stop_seconds)
            self._child = None

    def kill(self) -> None:
        """End the server with SIGKILL."""
        if self._child:
            self._child.kill()
            self._child = None

    def raise_if_died(self) -> None:
        """Raise PartDiedError when the server was started and has ended by itself."""
        if self._child and not self._child.running:
            tail = self._child.log_tail() or "(nothing)"
            raise PartDiedError(
                f"{self.name} {how_it_ended(self._child.exit_code)}, which nobody asked for. "
                f"Its log is {self.log}; the last lines:\n{tail}"
            )


def make_folder(path: Path) -> None:
    """Make the folder and those above it where they are missing, or raise FolderUnusableError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise FolderUnusableError(
            f"The dev stack cannot use {path} as a folder: {exc.strerror}. Give it another one."
        ) from exc


class HttpPart(Part):
    """A server of our own, run as `python -m MODULE --port P …`, that answers `probe` with status 200."""

    def __init__(
        self,
        name: str,
        port: int,
        folder: Path,
        log: Path,
        *,
        module: str,
        probe: str,
        options: tuple[str, ...],
    ) -> None:
        super().__init__(name, port, folder, log)
        self._module = module
        self._probe = probe
        self._options = options

    def argv(self) -> list[str]:
        """Return the command with this interpreter; -P: the working folder is data, not code."""
        return [sys.executable, "-P", "-m", self._module, "--port", str(self.port), *self._options]

    def check(self) -> str | None:
        """GET the probe path."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", self._probe)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as exc:
            return f"GET {self.url}{self._probe}: {exc}"
        finally:
            connection.close()
        return None if status == http.HTTPStatus.OK else f"GET {self.url}{self._probe} answered {status}"
