"""Signals become an event; the second one ends the process; deadlines are shared."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from runtime.stopping import Deadline, Stopping

SECONDS = 20.0


def test_a_signal_sets_the_event_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Stopping() as stopping:
        assert not stopping.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.wait(SECONDS)
        assert stopping.requested
        assert stopping.reason == "SIGTERM"
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_second_signal_ends_at_once(signum: signal.Signals, code: int) -> None:
    ended, codes = threading.Event(), list[int]()

    def exit_now(code: int) -> None:
        codes.append(code)
        ended.set()

    with Stopping(exit_now=exit_now) as stopping:
        os.kill(os.getpid(), signum)
        assert stopping.wait(SECONDS)
        os.kill(os.getpid(), signum)
        assert ended.wait(SECONDS)
    assert codes == [code]


def test_the_second_signal_ends_a_process_whose_main_thread_is_in_c_code() -> None:
    # A native lock that is never released stands for a call into librdkafka that hangs: no signal interrupts
    # it, so Python never comes to run a handler.
    program = (
        "import ctypes\n"
        "from runtime.stopping import Stopping\n"
        "with Stopping() as stopping:\n"
        "    print('ready', flush=True)\n"
        "    stopping.wait()\n"
        "    print('draining', flush=True)\n"
        "    c, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)\n"
        "    c.pthread_mutex_lock(lock), c.pthread_mutex_lock(lock)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "draining\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 143


def test_it_can_be_asked_from_within_and_the_first_reason_stays() -> None:
    stopping = Stopping()
    stopping.stop("a partition is lost")
    stopping.stop("later")
    assert stopping.event.is_set()
    assert stopping.reason == "a partition is lost"


def test_outside_the_main_thread_it_leaves_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), list[object]()

    def run() -> None:
        with Stopping() as stopping:
            seen.append(signal.getsignal(signal.SIGTERM))
            stopping.stop()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_deadline_is_shared_and_never_negative() -> None:
    now = [100.0]
    deadline = Deadline(25, clock=lambda: now[0])
    now[0] = 110.0
    assert (deadline.remaining(), deadline.expired) == (15.0, False)
    now[0] = 126.0
    assert (deadline.remaining(), deadline.expired) == (0.0, True)
