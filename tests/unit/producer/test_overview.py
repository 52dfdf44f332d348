"""What an operator reads about the sources: one line each, without secrets, whatever their errors say."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from connectors.base import BaseConnector
from connectors.registry import ConnectorRegistry, Plugin, Quarantined
from connectors.schedule import every
from producer.engine import Requeued
from producer.errors import BrokerAwayError, CursorError, SourceError
from producer.overview import Overview
from producer.run import RunReport
from producer.scheduler import Scheduler
from producer.ticks import Ticks
from schemas.records import JobPayload
from tests.unit.producer.support import START, SettableClock

BROKEN = Quarantined("/sources/broken.py", 3, "ModuleNotFoundError:\n  no module s3cret")
REPORT = RunReport("weather", "r1", 10, 10, 0, 1.0, None)
NAMES = ("flights", "news", "weather")


class Source(BaseConnector):
    """Stands for all of NAMES: what it is called does not matter here."""

    name = "source"

    class Record(BaseModel):
        id: int

    def extract(self, since: Any = None) -> Iterator[Any]:
        yield from ()


@pytest.fixture
def scheduler(clock: SettableClock) -> Scheduler:
    return Scheduler(now=clock.now, jitter=lambda: 0.0)


def overview(scheduler: Scheduler, silent: float | None = None) -> Overview:
    connectors = ConnectorRegistry([Plugin(name, Source, "test") for name in NAMES], [BROKEN])
    return Overview(
        connectors, scheduler, skipped=["flights"], silent_for=lambda source: silent, secrets=["s3cret"]
    )


def weather(scheduler: Scheduler, silent: float | None = None) -> str:
    return overview(scheduler, silent).sources()[2]


def test_every_source_has_a_line_before_and_after_the_start(scheduler: Scheduler) -> None:
    skipped = "flights: skipped by INGEST_CONNECTORS__SKIP"
    assert overview(scheduler).sources() == [
        skipped,
        "news: not scheduled yet",
        "weather: not scheduled yet",
    ]
    scheduler.refuse("news", "needs INGEST_SOURCES__NEWS__API_KEY")
    scheduler.add("weather", Ticks("weather", every(hours=1)), START)
    assert overview(scheduler).sources() == [
        skipped,
        "news: BLOCKED since 2026-01-01T12:00:00Z: needs INGEST_SOURCES__NEWS__API_KEY; last success never",
        "weather: SCHEDULED since 2026-01-01T12:00:00Z; next due 2026-01-01T13:00:00Z; "
        "last success 2026-01-01T12:00:00Z",
    ]


def test_a_line_follows_its_source_through_its_states(scheduler: Scheduler, clock: SettableClock) -> None:
    scheduler.add("weather", Ticks("weather", every(hours=1)), None)
    scheduler.take_due()
    assert weather(scheduler) == "weather: RUNNING since 2026-01-01T12:00:00Z; last success never"
    assert "RUNNING since 2026-01-01T12:00:00Z; " in weather(scheduler, 29)
    assert "12:00:00Z: its connector has been silent for 31 s; " in weather(scheduler, 31)
    scheduler.waits("weather", "waiting until 12:10 because of quota 3/hour")
    assert "12:00:00Z: waiting until 12:10 because of quota 3/hour; " in weather(scheduler, 31)
    scheduler.waits("weather", None)
    assert "12:00:00Z: its connector has been silent for 31 s; " in weather(scheduler, 31)
    scheduler.done("weather", SourceError("source weather, extract: boom"))
    assert weather(scheduler) == (
        "weather: RETRYING since 2026-01-01T12:00:00Z: source weather, extract: boom; "
        "next due 2026-01-01T12:00:05Z; last success never; last error 2026-01-01T12:00:00Z"
    )
    clock.forward(5)
    scheduler.take_due()
    assert weather(scheduler) == (
        "weather: RUNNING since 2026-01-01T12:00:05Z; last success never; "
        "last error 2026-01-01T12:00:00Z: source weather, extract: boom"
    )
    scheduler.done("weather", BrokerAwayError("the broker does not answer"))
    assert ": the broker does not answer; next due 2026-01-01T12:00:06Z; " in weather(scheduler)
    clock.forward(1)
    scheduler.take_due()
    scheduler.done("weather", Requeued(clock.now() + timedelta(seconds=60), "rate limit of weather"))
    assert weather(scheduler).startswith(
        "weather: BLOCKED since 2026-01-01T12:00:06Z: rate limit of weather; next due 2026-01-01T12:01:06Z; "
    )
    clock.forward(60)
    scheduler.take_due()
    scheduler.done("weather", REPORT)
    assert weather(scheduler) == (
        "weather: SCHEDULED since 2026-01-01T12:01:06Z; next due 2026-01-01T13:00:00Z; "
        "last success 2026-01-01T12:01:06Z; last error 2026-01-01T12:00:05Z: the broker does not answer"
    )


def test_no_line_has_a_secret_or_a_line_break_or_is_endless(scheduler: Scheduler) -> None:
    assert overview(scheduler).quarantined() == [
        "/sources/broken.py:3: ModuleNotFoundError: no module **********"
    ]
    scheduler.put(JobPayload(source="weather"))
    scheduler.take_due()
    scheduler.done("weather", CursorError(f"http://me:pass@api/\n{'x' * 270} s3cret {'y' * 5000}"))
    line = weather(scheduler)
    assert "\n" not in line
    assert "http://me:**********@api/ x" in line
    assert "s3c" not in line
    assert len(line) < 500


def test_what_another_producer_runs_is_not_called_unassigned(scheduler: Scheduler) -> None:
    scheduler.unassigned("weather", "another producer runs it")
    assert weather(scheduler) == (
        "weather: not run by this producer since 2026-01-01T12:00:00Z: another producer runs it"
    )
