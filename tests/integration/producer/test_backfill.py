"""Backfills on a real broker: bounded, in slices, gone on with, and runs on schedule do not notice."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from connectors import Checkpoint
from connectors.base import BaseConnector
from connectors.errors import QuotaExhaustedError, UntilError
from connectors.registry import ConnectorRegistry, Plugin
from devstack.processes import ChildProcess
from producer.backfill import backfill_id
from producer.engine import Requeued
from producer.errors import SourceError
from producer.once import run_once
from producer.partitioning import partition_of
from producer.positions import Position
from producer.run import RunReport
from runtime.kafka import client_properties
from runtime.settings import Settings
from schemas.names import Names
from schemas.records import JobPayload
from tests.daemon_process import DaemonProcess, until
from tests.integration.producer.support import (
    NOON,
    Readings,
    dead_letters,
    ids,
    parts_for,
    reading,
    records,
    run,
    stored,
    yielding,
)

Items = Callable[[Any, Any], Iterator[Any]]


class Sliced(Readings):
    """Slices of ten seconds; `asked` are the bounds that `extract` got, in seconds after noon."""

    slice = timedelta(seconds=10)
    asked: list[tuple[int, int | None]]
    between: Items

    def extract(self, since: Any = None, until: Any = None) -> Iterator[Any]:
        type(self).asked.append((begin(since), None if until is None else begin(until)))
        yield from type(self).between(since, until)


def begin(since: Any) -> int:
    return 0 if since is None else int((since - NOON).total_seconds())


def sliced(items: Items, **declared: Any) -> Any:
    return type("TestSliced", (Sliced,), {"between": staticmethod(items), "asked": [], **declared})


def moment(number: int) -> str:
    return f"2026-01-01T12:{number // 60:02}:{number % 60:02}Z"


def job(first: int, last: int, job_id: str = "j") -> JobPayload:
    return JobPayload(source="readings", since=moment(first), until=moment(last), job_id=job_id)


def position(settings: Settings) -> Position:
    """Where the source stands; one that never ran stands nowhere."""
    with parts_for(settings) as parts:
        found = parts.cursors.load("readings")
    return found or Position(source="readings", run_id="", at=NOON)


def newest_first(since: Any, until: Any) -> Iterator[Any]:
    """As from an API that has whole tens, and an inclusive end."""
    return (reading(number) for number in range(begin(until), begin(since) // 10 * 10 - 1, -1))


def oldest_first(since: Any, until: Any = None) -> Iterator[Any]:
    return (reading(number) for number in range(begin(since), 100))


@pytest.mark.parametrize(("items", "ordered"), [(newest_first, False), (oldest_first, True)])
@pytest.mark.parametrize("known", [range(50, 60), range(0)], ids=["with a cursor", "without"])
def test_a_backfill_takes_what_is_within_and_leaves_the_cursor(
    settings: Settings, items: Items, ordered: bool, known: range
) -> None:
    """It lies before the cursor and beyond it."""
    if known:
        run(settings, yielding(lambda since: map(reading, known), ordered=ordered))
    before = position(settings)
    report = run(settings, sliced(items, ordered=ordered), job(25, 77))
    assert (report.completed, report.slices, report.slices_done) == (True, 6, 6)
    assert (report.extracted, report.deduplicated) == (77 - 25, len(known))
    assert ids(settings) == list(range(25, 77))
    after = position(settings)
    assert after.cursor == report.cursor == before.cursor
    assert (after.completed, after.backfills) == (before.completed, {})
    for _ in range(3):
        run(settings, yielding(oldest_first, ordered=ordered))
        assert ids(settings) == list(range(25 if known else 0, 100))
    assert stored(settings) == moment(99)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_source_that_cannot_be_told_where_to_end_is_asked_once(settings: Settings, ordered: bool) -> None:
    given: list[int] = []

    def items(since: Any) -> Iterator[Any]:
        for number in range(begin(since), 100):
            given.append(number)
            yield reading(number)

    report = run(settings, yielding(items, ordered=ordered), job(25, 77))
    assert (report.extracted, report.slices) == (52, 1)
    assert ids(settings) == list(range(25, 77))
    assert given == list(range(25, 78 if ordered else 100))


def test_it_goes_on_with_the_slice_that_was_not_finished(settings: Settings) -> None:
    """What runs on schedule in between takes nothing away from it."""

    def failing(since: Any, until: Any) -> Iterator[Any]:
        for item in newest_first(since, until):
            if item["id"] == 42:
                raise ValueError("cut short")
            yield item

    with pytest.raises(SourceError, match="cut short"):
        run(settings, sliced(failing), job(20, 60))
    assert position(settings).backfills == {"j": moment(40)}
    run(settings, yielding(lambda since: iter([reading(5), reading(45)])))
    again = sliced(newest_first)
    report = run(settings, again, job(20, 60))
    assert again.asked == [(40, 50), (50, 60)]
    assert (report.extracted, report.deduplicated, report.slices_done) == (20, 7, 4)
    assert ids(settings) == [5, *range(20, 60)]
    assert position(settings).backfills == {}
    assert stored(settings) == moment(45)


def test_after_its_end_it_begins_anew_and_finds_everything_there(settings: Settings) -> None:
    for published in (40, 0):
        source = sliced(newest_first)
        report = run(settings, source, job(20, 60))
        assert source.asked == [(20, 30), (30, 40), (40, 50), (50, 60)]
        assert (report.published, report.deduplicated) == (published, 40 - published)
    assert ids(settings) == list(range(20, 60))


def test_another_backfill_is_another_one(settings: Settings) -> None:
    def failing(since: Any, until: Any) -> Iterator[Any]:
        yield from newest_first(since, until)
        raise ValueError("cut short")

    with pytest.raises(SourceError, match="cut short"):
        run(settings, sliced(failing), job(20, 40))
    other = sliced(newest_first)
    run(settings, other, job(0, 40, job_id="other"))
    assert other.asked[0] == (0, 10)
    assert position(settings).backfills == {"j": moment(20)}
    assert ids(settings) == list(range(40))


def test_a_quota_puts_it_back_and_it_goes_on_later(settings: Settings) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    def limited(since: Any, until: Any) -> Iterator[Any]:
        if begin(since) == 30:
            raise QuotaExhaustedError("60/hour of readings", tomorrow, retry_after=86400.0)
        yield from newest_first(since, until)

    with parts_for(settings, sliced(limited)) as parts:
        outcome = parts.engine.run(job(20, 60))
    assert isinstance(outcome, Requeued)
    assert outcome.not_before == tomorrow
    again = sliced(newest_first)
    run(settings, again, job(20, 60))
    assert again.asked == [(30, 40), (40, 50), (50, 60)]
    assert ids(settings) == list(range(20, 60))


def test_a_signal_ends_it_and_the_same_bounds_go_on(settings: Settings) -> None:
    """However they are written."""

    def endless(since: Any, until: Any) -> Iterator[Any]:
        yield from newest_first(since, until)
        if begin(since) == 30:
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                yield reading(35)

    def once(source: type[BaseConnector], *bounds: Any) -> RunReport:
        registry = ConnectorRegistry([Plugin("readings", source, "test")])
        return run_once(settings, "readings", *bounds, connectors=registry)

    report = once(sliced(endless), moment(20), moment(60))
    assert (report.completed, report.slices_done, report.slices) == (False, 1, 4)
    again = sliced(newest_first)
    report = once(again, "2026-01-01T13:00:20+01:00", "2026-01-01 12:01")
    assert (report.completed, report.slices_done, report.until) == (True, 4, moment(60))
    assert again.asked == [(30, 40), (40, 50), (50, 60)]
    assert set(ids(settings)) == set(range(20, 60))


@pytest.mark.parametrize("ordered", [True, False])
def test_without_slices_order_or_checkpoints_say_how_far_it_is(settings: Settings, ordered: bool) -> None:
    asked: list[int] = []

    def items(since: Any, broken: bool) -> Iterator[Any]:
        asked.append(begin(since))
        for number in range(begin(since), 100):
            if number % 10 == 0:
                yield Checkpoint(NOON + timedelta(seconds=number))
            if broken and number == 45:
                raise ValueError("cut short")
            yield reading(number)

    with pytest.raises(SourceError, match="cut short"):
        run(settings, yielding(lambda since: items(since, True), ordered=ordered), job(20, 60))
    report = run(settings, yielding(lambda since: items(since, False), ordered=ordered), job(20, 60))
    assert asked == [20, 44 if ordered else 40]
    assert report.deduplicated == (1 if ordered else 5)
    assert ids(settings) == list(range(20, 60))
    assert position(settings).cursor is None


def test_the_ledger_balances_and_rejects_are_kept(settings: Settings) -> None:
    def items(since: Any, until: Any) -> Iterator[Any]:
        yield {"id": begin(since), "at": "noon"}
        yield from newest_first(since, until)

    report = run(settings, sliced(items), job(20, 40))
    assert (report.extracted, report.published, report.rejected) == (22, 20, 2)
    assert sorted(item["id"] for item, _ in dead_letters(settings)) == [20, 30]
    entries = sorted(records(settings, "ledger", only_framed=True), key=lambda each: each["checkpoint"])
    assert [each["published"] for each in entries] == [10, 10, 0]
    assert all(each["extracted"] == each["published"] + each["rejected"] for each in entries)
    assert sum(each["extracted"] for each in entries) == 22
    assert [each["completed"] for each in entries] == [False, False, True]


def test_bounds_that_are_none_are_refused_before_anything_runs(settings: Settings) -> None:
    source = sliced(newest_first)
    with pytest.raises(UntilError, match="is not before"):
        run(settings, source, job(40, 20))
    assert source.asked == []


# A newest-first source with slices, and the run on schedule; it stands still in the middle of 40 to 60 until
# the test makes a file. It counts itself in what extract was asked for.
FILE = """
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pydantic import AwareDatetime, BaseModel
from connectors import BaseConnector

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HERE = Path(__file__).parent

def seconds(moment, otherwise):
    return otherwise if moment is None else int((moment - NOON).total_seconds())

class Source(BaseConnector):
    name = "readings"
    schedule = "every 1d"
    key = "id"
    cursor = "at"
    slice = timedelta(seconds=20)

    class Record(BaseModel):
        id: int
        at: AwareDatetime

    def extract(self, since=None, until=None):
        first, last = seconds(since, 65), seconds(until, 110 if since else 70)
        with (HERE / "asked").open("a") as asked:
            print(first, last, file=asked)
        for number in range(last, first - 1, -1):
            while number == 50 and not (HERE / "go").exists():
                time.sleep(0.005)
            yield {"id": number, "at": NOON + timedelta(seconds=number)}
"""
EAGER = {"INGEST_PRODUCER__SLICE_SECONDS": "0.05", "INGEST_PRODUCER__CHECKPOINT_SECONDS": "0.1"}
BACKFILL = ["--since", "2026-01-01T12:00", "--until", "2026-01-01T12:01:40Z"]


@pytest.fixture
def ingest_run(
    tmp_path: Path, folder: Path, environment: dict[str, str]
) -> Iterator[Callable[..., ChildProcess]]:
    """`ingest run readings …` as a process, started; its log is `log`, the report included."""
    started: list[ChildProcess] = []

    def start(*arguments: str) -> ChildProcess:
        own = {**os.environ, **environment, **EAGER}
        own |= {"INGEST_CONNECTORS__PATHS": str(folder), "INGEST_LOG__FORMAT": "json"}
        command = [str(Path(sys.executable).with_name("ingest")), "run", "readings", "--json", *arguments]
        process = ChildProcess("backfill", command, log=tmp_path / f"log-{len(started)}", env=own)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()


def told(process: ChildProcess) -> list[Any]:
    """The slices of its log."""
    lines = process.log.read_text().splitlines()
    return [json.loads(line)["slice"] for line in lines if '"backfill_slice"' in line]


@pytest.mark.requires_kafka
def test_a_backfill_killed_in_the_middle_goes_on_and_each_record_is_there_once(
    settings: Settings, folder: Path, ingest_run: Callable[..., ChildProcess]
) -> None:
    (folder / "readings.py").write_text(FILE)
    assert ingest_run().wait(60) == 0
    before = position(settings)
    killed = ingest_run(*BACKFILL)
    # 51 to 59 of the slice from 40 on; 65 to 70 are there already.
    until(lambda: ids(settings) == [*range(40), *range(51, 60), *range(65, 71)], what="half a slice")
    killed.kill()
    assert told(killed) == [1, 2]
    job_id = backfill_id(Readings, "2026-01-01T12:00:00Z", "2026-01-01T12:01:40Z")
    assert position(settings).backfills == {job_id: moment(40)}
    (folder / "go").touch()
    again = ingest_run(*BACKFILL)
    assert again.wait(60) == 0, again.log_tail()
    assert told(again) == [3, 4, 5]
    assert ids(settings) == list(range(100))
    after = position(settings)
    assert (after.cursor, after.completed, after.backfills) == (moment(70), before.completed, {})
    assert ingest_run().wait(60) == 0
    assert ids(settings) == list(range(111))
    asked = [tuple(map(int, line.split())) for line in (folder / "asked").read_text().splitlines()]
    assert asked == [(65, 70), (0, 20), (20, 40), (40, 60), (40, 60), (60, 80), (80, 100), (70, 110)]


@pytest.mark.requires_kafka
def test_a_job_of_the_daemon_may_be_a_backfill(
    settings: Settings, folder: Path, producer: DaemonProcess
) -> None:
    (folder / "readings.py").write_text(FILE)
    (folder / "go").touch()
    producer.start()
    until(lambda: ids(settings) == list(range(65, 71)), what="the first run")
    asked = JobPayload(source="readings", since=moment(0), until=moment(100))
    jobs = Names(settings.topic_prefix).jobs
    with parts_for(settings) as parts:
        partition = partition_of(b"readings", parts.topics.partitions(jobs))
    kafka = Producer(client_properties(settings.kafka))
    kafka.produce(jobs, asked.model_dump_json(), asked.job_id, partition=partition)
    assert kafka.flush(10) == 0
    until(lambda: len(producer.events("backfill_slice")) == 5, what="five slices")
    until(lambda: asked.job_id in position(settings).jobs, what="the end of the job")
    assert ids(settings) == list(range(100))
    assert (position(settings).cursor, position(settings).backfills) == (moment(70), {})
    assert producer.end() == 0
