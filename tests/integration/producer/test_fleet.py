"""Several producers: sources are shared, handed over when one dies or is suspended, and run once (P9)."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer

from producer.partitioning import partition_of
from runtime.kafka import client_properties
from runtime.settings import Settings
from schemas.names import Names
from schemas.records import JobPayload
from tests.daemon_process import DaemonProcess, until
from tests.integration.producer.conftest import SKIP
from tests.integration.producer.support import COUNTING, ORDERED, events, ids, messages, write_connector

pytestmark = pytest.mark.requires_kafka

# As many partitions as make three processes share six sources.
SOURCES = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")
SESSION = 6.0
TAKE_OVER = SESSION + 5 + 4  # 4 s of grace for a machine that others use

Start = Callable[[str], DaemonProcess]


@pytest.fixture
def start(tmp_path: Path, folder: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Starts a daemon with a name; all share the sources, and end with the test."""
    started = []
    own = {
        **environment,
        "INGEST_CONNECTORS__PATHS": str(folder),
        "INGEST_CONNECTORS__SKIP": SKIP,
        "INGEST_PRODUCER__SESSION_SECONDS": str(SESSION),
    }

    def start(name: str) -> DaemonProcess:
        (tmp_path / name).mkdir(exist_ok=True)
        daemon = DaemonProcess("producer", tmp_path / name, own)
        started.append(daemon)
        daemon.start()
        return daemon

    yield start
    for daemon in started:
        daemon.process.kill()


def running(daemon: DaemonProcess) -> set[str]:
    _, page = daemon.probe("/readyz?verbose")
    lines = (line.strip() for line in page.splitlines())
    return {line.partition(":")[0] for line in lines if ": RUNNING since" in line}


def shared(*daemons: DaemonProcess) -> bool:
    """Each source runs in exactly one of them, and each has some."""
    found = [running(daemon) for daemon in daemons]
    return all(found) and sorted(one for each in found for one in each) == sorted(SOURCES)


def all_once(settings: Settings) -> None:
    for source in SOURCES:
        found = ids(settings, source)
        assert found == list(range(len(found))), source


@contextmanager
def suspended(daemon: DaemonProcess) -> Iterator[None]:
    assert daemon.process.pid is not None
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)


def grown(settings: Settings, since: dict[str, int]) -> bool:
    return all(len(ids(settings, source)) > count + 50 for source, count in since.items())


def test_two_producers_share_and_kill_9_hands_over(settings: Settings, folder: Path, start: Start) -> None:
    for source in SOURCES:
        write_connector(folder, source, COUNTING, declared=ORDERED)
    one = start("one")
    until(lambda: running(one) == set(SOURCES), what="all sources in the first producer")
    two = start("two")
    until(lambda: shared(one, two), what="sources in both")
    assert any("not run by this producer" in line for line in one.probe("/readyz?verbose")[1].splitlines())
    one.process.kill()
    until(lambda: running(two) == set(SOURCES), what="the take-over", seconds=TAKE_OVER)
    counts = {source: len(ids(settings, source)) for source in SOURCES}
    until(lambda: grown(settings, counts), what="more records of each source")
    (folder / "enough").touch()
    until(lambda: not running(two), what="the end of all runs")
    assert two.end() == 0
    all_once(settings)


def test_a_suspended_producer_that_comes_back_publishes_nothing(
    settings: Settings, folder: Path, start: Start
) -> None:
    for source in SOURCES:
        write_connector(folder, source, COUNTING, declared=ORDERED)
    one, two = start("one"), start("two")
    until(lambda: shared(one, two), what="sources in both")
    with suspended(one):
        until(lambda: running(two) == set(SOURCES), what="the take-over", seconds=TAKE_OVER)
        counts = {source: len(ids(settings, source)) for source in SOURCES}
        until(lambda: grown(settings, counts), what="more records of each source")
    until(lambda: bool(events(one, "partitions_lost")), what="a word of the one that came back")
    # It is a member again and gets sources back, one at a time; none is fenced for ever.
    until(lambda: shared(one, two), what="sources in both again")
    counts = {source: len(ids(settings, source)) for source in SOURCES}
    until(lambda: grown(settings, counts), what="more records of each source")
    (folder / "enough").touch()
    until(lambda: not running(one) and not running(two), what="the end of all runs")
    assert one.end() == two.end() == 0
    all_once(settings)
    assert not events(two, "source_failed")


def test_jobs_are_run_once_kept_while_they_wait_and_deleted_when_done(
    settings: Settings, folder: Path, start: Start
) -> None:
    body = 'yield {"id": int(time.time() * 1e6), "at": NOON}'
    write_connector(folder, "alpha", body)
    write_connector(folder, "bravo", 'raise ValueError("not today")\nyield')
    one = start("one")
    until(lambda: len(ids(settings, "alpha")) == 1, what="the first tick")
    write_job(settings, JobPayload(source="alpha", job_id="now", reason="asked for"))
    until(lambda: len(ids(settings, "alpha")) == 2, what="the run that was asked for")
    until(lambda: newest_jobs(settings).get("now", b"there") is None, what="its tombstone")
    later = datetime.now(UTC) + timedelta(seconds=TAKE_OVER)
    write_job(settings, JobPayload(source="alpha", job_id="later", not_before=later, reason="asked for"))

    def attempts() -> list[int]:
        jobs = [JobPayload.model_validate_json(value) for value in newest_jobs(settings).values() if value]
        return [job.attempt for job in jobs if job.source == "bravo" and "not today" in (job.reason or "")]

    until(lambda: attempts() == [2], what="the failed tick, put back")
    one.process.kill()
    two = start("two")
    # Its attempts go on where the other one's were.
    until(lambda: attempts() == [3], what="the third attempt")
    until(lambda: len(ids(settings, "alpha")) == 3, what="the job that waited")
    until(lambda: newest_jobs(settings).get("later", b"there") is None, what="its tombstone")
    assert two.end() == 0
    assert len(ids(settings, "alpha")) == 3
    assert datetime.now(UTC) > later


def write_job(settings: Settings, job: JobPayload) -> None:
    producer = Producer(client_properties(settings.kafka))
    partition = partition_of(job.source.encode(), settings.producer.job_partitions)
    producer.produce(
        Names(settings.topic_prefix).jobs, job.model_dump_json(), job.job_id, partition=partition
    )
    assert producer.flush(10) == 0


def newest_jobs(settings: Settings) -> dict[str, bytes | None]:
    found = messages(settings, Names(settings.topic_prefix).jobs)
    return {(message.key() or b"").decode(): message.value() for message in found}
