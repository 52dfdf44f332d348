"""Child processes that cannot outlive us: start with a log file, wait until they answer, end them by pid.

What a process is and when it is ready is the caller's business (see parts.py); this file knows pids only.

On Linux a child is killed by the kernel when this process ends in any way, `kill -9` included. Elsewhere
children end by stop() or kill() only. Children live in sessions of their own, so a Ctrl-C in the terminal
reaches the supervisor alone, which then decides in which order they end.
"""

import functools
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO

from devstack.errors import PartNotReadyError

POLL_SECONDS = 0.05
TAIL_LINES = 15
_TAIL_BYTES = 16_384

# Runs in the child before the program: asks the kernel for SIGKILL at the parent's end (1 is
# PR_SET_PDEATHSIG), looks whether the parent ended before that, and becomes the program; pid and session
# stay. A preexec_fn would do this between fork() and exec() of a process full of librdkafka's threads,
# where it may deadlock.
_LAUNCHER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != int(sys.argv[1]):
        os._exit(1)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as exc:
    sys.exit(f"{sys.argv[2]}: {exc.strerror}")
"""


class ChildProcess:
    """One child process with its log file.

    `name` is used in messages, `log` gets both its outputs (appended), `env` replaces the environment.
    Use: start(), wait_ready(...), stop(). A stopped process can be started again.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._env = env
        self._cwd = cwd
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """Process id, None before the first start. Still the old one after the end."""
        return self._popen.pid if self._popen else None

    @property
    def running(self) -> bool:
        """Whether the process exists now; a process that ended is reaped here."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code (negative: the signal), None while running or before the first start."""
        return self._popen.poll() if self._popen else None

    def start(self) -> None:
        """Start the process and return at once. Does nothing while it runs."""
        if self.running:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._popen = _spawn(self._argv, stdout=output, env=self._env, cwd=self._cwd)

    def wait_ready(
        self,
        check: Callable[[], str | None],
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Return as soon as `check` returns None; a text from it says what is still missing.

        Raises PartNotReadyError with the end of the log when the process ends first or `seconds` pass.
        """
        deadline = clock() + seconds
        while True:
            if not self.running:
                raise self._not_ready(f"{how_it_ended(self.exit_code)} before it answered")
            missing = check()
            if missing is None:
                return
            if clock() >= deadline:
                raise self._not_ready(f"did not answer within {seconds:g} s ({missing})")
            sleep(POLL_SECONDS)

    def wait(self, seconds: float) -> int:
        """Wait for the process to end by itself and return its exit code.

        Raises PartNotReadyError when it still runs after `seconds`; it is left running.
        """
        assert self._popen is not None
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired as exc:
            raise self._not_ready(f"did not finish within {seconds:g} s") from exc

    def terminate(self) -> None:
        """Ask the process to end (SIGTERM) without waiting; for ending several at the same time."""
        if self._popen is not None:
            self._popen.terminate()

    def stop(self, seconds: float = 10.0) -> None:
        """End the process: SIGTERM, after `seconds` SIGKILL. It is gone and reaped on return."""
        if self._popen is None:
            return
        self._popen.terminate()
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash would. It is gone and reaped on return."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last `lines` lines that this run of the process has written."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(self._log_start, end - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _not_ready(self, what: str) -> PartNotReadyError:
        tail = self.log_tail() or "(nothing)"
        return PartNotReadyError(f"{self.name} {what}. Its log is {self.log}; the last lines:\n{tail}")


def how_it_ended(exit_code: int | None) -> str:
    """ "ended with exit code 3", "was killed by signal 9 (SIGKILL)"."""
    if exit_code is None or exit_code >= 0:
        return f"ended with exit code {exit_code}"
    known = {int(each): each.name for each in signal.Signals}
    name = known.get(-exit_code)
    return f"was killed by signal {-exit_code}" + (f" ({name})" if name else "")


_Start = Callable[[], "subprocess.Popen[bytes]"]


def _spawn(
    argv: Sequence[str], *, stdout: IO[bytes], env: Mapping[str, str] | None, cwd: Path | None
) -> "subprocess.Popen[bytes]":
    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 - the commands are ours, without a shell
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *argv],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )

    answer: Future[subprocess.Popen[bytes]] = Future()
    _spawner().put((start, answer))
    return answer.result()


@functools.cache
def _spawner() -> "queue.SimpleQueue[tuple[_Start, Future[subprocess.Popen[bytes]]]]":
    """Queue of a thread that never ends and starts all children.

    PR_SET_PDEATHSIG fires when the *thread* that started the child ends, not the process: a stack brought
    up from a worker thread would die with that thread.
    """
    requests: queue.SimpleQueue[tuple[_Start, Future[subprocess.Popen[bytes]]]] = queue.SimpleQueue()

    def serve() -> None:
        while True:
            start, answer = requests.get()
            try:
                answer.set_result(start())
            except Exception as exc:
                answer.set_exception(exc)

    threading.Thread(target=serve, name="devstack-spawner", daemon=True).start()
    return requests
