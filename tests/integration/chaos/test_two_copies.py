"""P8: two copies of one source, on purpose: the newer one goes on, the older one says who took over."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.processes import ChildProcess
from runtime.settings import Settings
from tests.daemon_process import DaemonProcess, until
from tests.integration.chaos.endless import finding_of, published_by, runs_of, writer
from tests.integration.chaos.report import ROUNDS
from tests.integration.producer.conftest import SKIP
from tests.integration.producer.support import COUNTING, ORDERED, events, write_connector

pytestmark = [pytest.mark.requires_kafka, pytest.mark.timeout(900)]

NAME = "readings"
OVERTAKEN = "a newer producer has taken over"
Copy = Callable[[], ChildProcess]


@pytest.fixture
def own(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    write_connector(folder, NAME, COUNTING, declared=ORDERED)
    return {
        **environment,
        "INGEST_CONNECTORS__PATHS": str(folder),
        "INGEST_CONNECTORS__SKIP": SKIP,
        "INGEST_PRODUCER__CHECKPOINT_SECONDS": "0.3",
        "INGEST_PRODUCER__TOPIC_PARTITIONS": "3",
    }


@pytest.fixture
def copy(tmp_path: Path, own: dict[str, str]) -> Iterator[Copy]:
    """Starts one more `ingest run`; all end with the test."""
    copies: list[ChildProcess] = []

    def start() -> ChildProcess:
        log = tmp_path / f"copy-{len(copies)}.log"
        command = [str(Path(sys.executable).with_name("ingest")), "run", NAME]
        copies.append(ChildProcess(log.stem, command, log=log, env={**os.environ, **own}))
        copies[-1].start()
        return copies[-1]

    yield start
    for one in copies:
        one.kill()


@pytest.fixture
def daemon(tmp_path: Path, own: dict[str, str]) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess("producer", tmp_path, own)
    yield daemon
    daemon.process.kill()


def gives_way(older: ChildProcess, newer: ChildProcess) -> None:
    """It ends by itself, and says to whom it has lost the source."""
    assert older.wait(60) not in (0, None)
    told = older.log.read_text(encoding="utf-8")
    assert OVERTAKEN in told
    assert writer(newer) in told


def concluded(settings: Settings, name: str, rounds: int, started: float, note: str = "") -> None:
    found = finding_of(settings, NAME, name, rounds, time.monotonic() - started, note)
    found.write()
    assert found.records > 0
    assert (found.missing, found.duplicates, found.wrong) == (0, 0, 0)


def test_each_copy_takes_the_source_from_the_one_before(settings: Settings, folder: Path, copy: Copy) -> None:
    started, present = time.monotonic(), copy()
    until(lambda: published_by(settings, NAME, writer(present)), "records of the first copy")
    for _ in range(ROUNDS):
        older, present = present, copy()
        gives_way(older, present)
    until(lambda: published_by(settings, NAME, writer(present)), "records of the last copy")
    (folder / "enough").touch()
    assert present.wait(60) == 0
    assert len(runs_of(settings, NAME)) == ROUNDS + 1
    concluded(settings, "a copy beside the older one", ROUNDS, started)


def test_of_two_that_start_at_once_one_goes_on(settings: Settings, folder: Path, copy: Copy) -> None:
    started = time.monotonic()
    for _ in range(ROUNDS):
        pair = [copy(), copy()]
        until(lambda: not all(one.running for one in pair), "the end of one")  # noqa: B023 - awaited here
        winner, loser = sorted(pair, key=lambda one: not one.running)
        gives_way(loser, winner)
        until(lambda: published_by(settings, NAME, writer(winner)), "records of the other")  # noqa: B023
        assert winner.running
        winner.kill()
    last = copy()
    until(lambda: published_by(settings, NAME, writer(last)), "records of the last copy")
    (folder / "enough").touch()
    assert last.wait(60) == 0
    concluded(settings, "two copies at once", ROUNDS, started)


def test_a_daemon_takes_back_what_the_group_has_given_it(
    settings: Settings, folder: Path, daemon: DaemonProcess, copy: Copy
) -> None:
    started = time.monotonic()
    daemon.start()
    until(lambda: published_by(settings, NAME, writer(daemon.process)), "records of the daemon")
    for number in range(1, ROUNDS + 1):
        guest = copy()
        until(lambda: len(events(daemon, "run_put_back")) == number, "the daemon's word")  # noqa: B023
        told = events(daemon, "run_put_back")[-1]["error"]
        assert OVERTAKEN in told
        assert writer(guest) in told
        gives_way(guest, daemon.process)
    (folder / "enough").touch()
    until(lambda: bool(events(daemon, "run_ended", completed=True)), "the end of the daemon's run")
    assert daemon.end() == 0
    # Nobody was fenced twice, and no attempt was used up.
    assert len(events(daemon, "run_started")) == ROUNDS + 1
    assert not events(daemon, "run_failed")
    concluded(settings, "ingest run beside the daemon", ROUNDS, started)


def test_two_daemons_that_know_nothing_of_each_other_both_get_on(
    settings: Settings, folder: Path, tmp_path: Path, own: dict[str, str]
) -> None:
    """Of two groups, by a wrong setting: each takes the source back, after waits that vary."""
    started, rounds = time.monotonic(), min(ROUNDS, 5)
    pair = [daemon_of(tmp_path, group, own) for group in ("one", "two")]
    try:
        for daemon in pair:
            daemon.start()
        until(lambda: all(len(events(one, "run_put_back")) >= rounds for one in pair), "waits", seconds=300)
        (folder / "enough").touch()
        assert [daemon.end() for daemon in pair] == [0, 0]
    finally:
        for daemon in pair:
            daemon.process.kill()
    writers = [writer(daemon.process) for daemon in pair]
    runs = list(runs_of(settings, NAME).values())
    for daemon, other in zip(pair, reversed(writers), strict=True):
        assert all(other in told["error"] for told in events(daemon, "run_put_back"))
        assert not events(daemon, "run_failed")
    # Of those that were put back, most had committed something before.
    assert all(runs.count(one) > rounds // 2 for one in writers)
    concluded(settings, "two daemons, two groups", rounds, started)


def daemon_of(tmp_path: Path, group: str, own: dict[str, str]) -> DaemonProcess:
    (tmp_path / group).mkdir()
    group_name = f"{own['INGEST_PRODUCER__GROUP']}-{group}"
    return DaemonProcess("producer", tmp_path / group, {**own, "INGEST_PRODUCER__GROUP": group_name})
