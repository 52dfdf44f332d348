"""One holder per lock file, known by pid, released by the kernel when it dies."""

import os
import subprocess
import sys
from pathlib import Path

from devstack.locks import FileLock

HOLD = (
    "import sys, time; from pathlib import Path; from devstack.locks import FileLock\n"
    "lock = FileLock(Path(sys.argv[1])); print(lock.acquire(), flush=True); time.sleep(60)"
)


def test_a_second_one_does_not_get_it_until_it_is_released(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    with first:
        assert first.acquire()
        assert not second.acquire()
        assert second.holder == os.getpid()
    with second:
        assert second.acquire()


def test_waiting_for_it_takes_the_seconds_given(tmp_path: Path) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with FileLock(tmp_path / "lock") as first:
        assert first.acquire()
        second = FileLock(tmp_path / "lock", clock=lambda: now[0], sleep=sleep)
        assert not second.acquire(5)
    assert 5 <= now[0] < 6


def test_the_death_of_the_holder_releases_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        lock = FileLock(path)
        assert not lock.acquire()
        assert lock.holder == other.pid
        other.kill()
        other.wait()
        with lock:
            assert lock.acquire(10)


def test_a_file_without_a_pid_has_no_holder(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("who knows")
    assert FileLock(tmp_path / "lock").holder is None
    assert FileLock(tmp_path / "absent").holder is None
