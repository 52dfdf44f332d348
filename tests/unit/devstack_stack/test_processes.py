"""Children start with a log, are waited for with words, are ended by pid, and cannot outlive us."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.errors import PartNotReadyError
from devstack.processes import ChildProcess, how_it_ended

DEADLINE_SECONDS = 20

Start = Callable[..., ChildProcess]


@pytest.fixture
def python(tmp_path: Path) -> Iterator[Start]:
    """Return a function that makes (not starts) a child running Python code; all are gone at the end."""
    children: list[ChildProcess] = []

    def make(code: str, *arguments: str) -> ChildProcess:
        argv = [sys.executable, "-u", "-c", code, *arguments]
        children.append(ChildProcess("sleeper", argv, log=tmp_path / "logs" / "sleeper.log"))
        return children[-1]

    yield make
    for child in children:
        child.kill()


def printed(child: ChildProcess, text: str) -> Callable[[], str | None]:
    return lambda: None if text in child.log_tail() else f"no {text!r} in the log"


def gone(pid: int) -> bool:
    """Whether the process has ended; a zombie that nobody reaps has ended too."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


SLEEP = "import time; print('up'); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(60)"


def test_it_runs_in_a_session_of_its_own_and_ends_on_stop(python: Start) -> None:
    child = python(SLEEP)
    child.start()
    child.wait_ready(printed(child, "up"), seconds=DEADLINE_SECONDS)
    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid

    child.stop()

    assert not child.running
    assert child.exit_code == -signal.SIGTERM
    assert gone(child.pid)


def test_one_that_ignores_sigterm_is_killed(python: Start) -> None:
    child = python(STUBBORN)
    child.start()
    child.wait_ready(printed(child, "up"), seconds=DEADLINE_SECONDS)

    child.stop(seconds=0.1)

    assert child.exit_code == -signal.SIGKILL


def test_a_stopped_one_can_be_started_again_and_its_tail_is_of_this_run(
    python: Start, tmp_path: Path
) -> None:
    child = python("import os, time; print('run', os.getpid(), flush=True); time.sleep(60)")
    child.start()
    child.wait_ready(printed(child, f"run {child.pid}"), seconds=DEADLINE_SECONDS)
    first = child.pid
    child.kill()
    child.start()
    child.wait_ready(printed(child, f"run {child.pid}"), seconds=DEADLINE_SECONDS)

    assert child.log_tail() == f"run {child.pid}"
    assert (tmp_path / "logs" / "sleeper.log").read_text() == f"run {first}\nrun {child.pid}\n"


def test_ending_before_it_answers_shows_the_end_of_its_log(python: Start) -> None:
    child = python("print('no such table: weather'); raise SystemExit(3)")
    child.start()

    with pytest.raises(PartNotReadyError) as caught:
        child.wait_ready(lambda: "nothing yet", seconds=DEADLINE_SECONDS)

    message = str(caught.value)
    assert "sleeper ended with exit code 3 before it answered" in message
    assert str(child.log) in message
    assert message.endswith("no such table: weather")


def test_not_answering_in_time_says_what_is_missing(python: Start) -> None:
    child = python(SLEEP)
    child.start()
    now = iter(range(100))

    with pytest.raises(PartNotReadyError, match=r"did not answer within 3 s \(connection refused\)"):
        child.wait_ready(
            lambda: "connection refused",
            seconds=3,
            clock=lambda: float(next(now)),
            sleep=lambda _: None,
        )

    assert child.running


def test_a_program_that_does_not_exist_is_named_in_the_log(tmp_path: Path) -> None:
    child = ChildProcess("ghost", ["/nowhere/ghost"], log=tmp_path / "ghost.log")
    child.start()

    with pytest.raises(PartNotReadyError, match="/nowhere/ghost: No such file or directory"):
        child.wait_ready(lambda: "silence", seconds=DEADLINE_SECONDS)


def test_it_outlives_the_thread_that_started_it(python: Start) -> None:
    child = python(SLEEP)
    thread = threading.Thread(target=child.start)
    thread.start()
    thread.join()

    child.wait_ready(printed(child, "up"), seconds=DEADLINE_SECONDS)

    assert child.running


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("code", [SLEEP, STUBBORN], ids=["obedient", "ignores SIGTERM"])
def test_it_dies_with_a_parent_that_is_killed(code: str, tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    parent_code = (
        "import sys, time; from pathlib import Path; from devstack.processes import ChildProcess\n"
        "child = ChildProcess('child', [sys.executable, '-u', '-c', sys.argv[1]], log=Path(sys.argv[2]))\n"
        "child.start(); print(child.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", parent_code, code, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        wait_until(lambda: log.exists() and "up" in log.read_text())
        assert not gone(child)

        parent.kill()

    wait_until(lambda: gone(child))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (3, "ended with exit code 3"),
        (-9, "was killed by signal 9 (SIGKILL)"),
        (-64, "was killed by signal 64 (SIGRTMAX)"),
        (-99, "was killed by signal 99"),
    ],
)
def test_an_end_by_a_signal_is_told_as_such(code: int, said: str) -> None:
    assert how_it_ended(code) == said
