"""P9 and P10: three producers share twenty sources; one is killed, one suspended past its session."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runtime.settings import Settings
from tests.daemon_process import until
from tests.integration.chaos.endless import writer
from tests.integration.chaos.fleet_sources import LIMITED, LIMITS, SHARED, SOURCES, TICK, write_sources
from tests.integration.chaos.producers import ALLOWED, GRACE, Jobs, Producers, suspended
from tests.integration.chaos.report import ROUNDS, Finding
from tests.integration.chaos.upstream import Upstream
from tests.integration.producer.support import events, ids, records
from tests.unit.producer.limits_support import fullest

pytestmark = [pytest.mark.requires_kafka, pytest.mark.timeout(1200)]

CYCLES = max(1, ROUNDS // 5)


@dataclass
class Measured:
    """Seconds: of take-overs, and between two ticks of a source that stayed where it was."""

    killed: list[float] = field(default_factory=list)
    suspended: list[float] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"take-over {max(self.killed):.1f} s after kill -9, {max(self.suspended):.1f} s after SIGSTOP "
            f"({ALLOWED:g} s allowed); ticks of those that stayed at most {max(self.ticks):.1f} s apart"
        )


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def producers(
    tmp_path: Path, folder: Path, environment: dict[str, str], upstream: Upstream
) -> Iterator[Producers]:
    write_sources(folder, upstream.url)
    producers = Producers(tmp_path, folder, SOURCES, environment)
    yield producers
    producers.kill()


def test_each_record_and_each_job_once_whatever_befalls_a_producer(
    settings: Settings, producers: Producers, upstream: Upstream
) -> None:
    started, measured = time.monotonic(), Measured()
    jobs = Jobs(settings, {source: SHARED if source in LIMITED else source for source in SOURCES})
    for _ in range(CYCLES):
        producers.all_share()
        one_cycle(settings, producers, jobs, measured)
    producers.all_share()
    total = upstream.stop_growing()
    until(lambda: published(settings) == dict.fromkeys(SOURCES, total), "all records", seconds=240)
    until(lambda: set(jobs.ids) <= completed(settings).keys(), "all jobs", seconds=120)
    assert [daemon.end() for daemon in producers.daemons] == [0, 0, 0]
    found = finding(settings, upstream, jobs, total, measured, time.monotonic() - started)
    found.write()
    assert (found.missing, found.duplicates, found.wrong) == (0, 0, 0), found
    assert max(measured.killed + measured.suspended) < ALLOWED + GRACE
    assert max(measured.ticks) < 2 * TICK + GRACE


def one_cycle(settings: Settings, producers: Producers, jobs: Jobs, measured: Measured) -> None:
    """Kill who owns the limited sources, then suspend who has them next; jobs are written all the time."""
    begin = datetime.now(UTC)
    kept = {writer(daemon.process): producers.owned(daemon) - {*LIMITED} for daemon in producers.daemons}
    jobs.write()
    jobs.write(wait=ALLOWED)
    victim = producers.owner(LIMITED[0], producers.daemons)
    rest = [daemon for daemon in producers.daemons if daemon is not victim]
    orphans, at = producers.owned(victim), datetime.now(UTC)
    victim.process.kill()
    measured.killed.append(producers.taken_over(orphans, at, rest))
    jobs.write()
    sleeper = producers.owner(LIMITED[0], rest)
    [steady] = [daemon for daemon in rest if daemon is not sleeper]
    orphans, before = producers.owned(sleeper), len(events(sleeper, "partitions_lost"))
    with suspended(sleeper) as at:
        measured.suspended.append(producers.taken_over(orphans, at, [steady]))
        jobs.write()
        there = published(settings)
        until(lambda: grown(settings, there), "more records of each source")
        end = datetime.now(UTC)
    until(lambda: len(events(sleeper, "partitions_lost")) > before, "a word of the one that came back")
    measured.ticks += [
        gap
        for source in kept[writer(steady.process)]
        for gap in gaps(settings, source, writer(steady.process), begin, end, {*jobs.ids})
    ]


def gaps(
    settings: Settings, source: str, writer: str, begin: datetime, end: datetime, asked_for: set[str]
) -> list[float]:
    """Seconds between the starts of scheduled runs, and from `begin` to the first, the last to `end`."""
    runs = [entry for entry in ledger(settings) if (entry["source"], entry["writer"]) == (source, writer)]
    starts = {run["started"] for run in runs if run["job_id"] not in asked_for}
    times = sorted({begin, end, *(start for start in starts if begin < start < end)})
    return [(later - earlier).total_seconds() for earlier, later in pairwise(times)]


def grown(settings: Settings, since: dict[str, int]) -> bool:
    present = published(settings)
    return all(present[source] > since[source] for source in SOURCES)


def ledger(settings: Settings) -> list[dict[str, Any]]:
    return records(settings, "ledger", only_framed=True)


def published(settings: Settings) -> dict[str, int]:
    """Records of each source, as the ledger has them."""
    sums = dict.fromkeys(SOURCES, 0)
    for entry in ledger(settings):
        sums[entry["source"]] += entry["published"]
    return sums


def completed(settings: Settings) -> Counter[str]:
    return Counter(entry["job_id"] for entry in ledger(settings) if entry["completed"])


def finding(
    settings: Settings, upstream: Upstream, jobs: Jobs, total: int, measured: Measured, seconds: float
) -> Finding:
    """Wrong are jobs that were not completed exactly once, and requests beyond a limit."""
    found = {source: Counter(ids(settings, source)) for source in SOURCES}
    asked = [at for source in LIMITED for at in upstream.asked[source]]
    most = {window: fullest(asked, window) for window in LIMITS}
    runs = completed(settings)
    told = ", ".join(f"{most[window]} of {limit} requests in {window} s" for window, limit in LIMITS.items())
    return Finding(
        name=f"three producers, {len(SOURCES)} sources",
        rounds=CYCLES,
        records=total * len(SOURCES),
        missing=sum(len(set(range(total)) - set(one)) for one in found.values()),
        duplicates=sum(one.total() - len(one) for one in found.values()),
        wrong=sum(runs[job_id] != 1 for job_id in jobs.ids)
        + sum(max(0, most[window] - limit) for window, limit in LIMITS.items()),
        seconds=round(seconds, 1),
        note=f"{measured}; {told}; {len(jobs.ids)} jobs",
    )
