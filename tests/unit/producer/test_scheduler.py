"""Scheduler: ticks, the delayed queue, bounded retries, and a state for each source, on a clock that stands
still.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.errors import SinceError, UpstreamError
from connectors.schedule import every, parse_schedule
from producer.engine import Requeued
from producer.errors import BrokerAwayError, CursorError, SourceError, source_error
from producer.run import RunReport
from producer.scheduler import MAX_ATTEMPTS, Scheduler
from producer.states import Failure, State, Status
from producer.ticks import Ticks
from schemas.errors import IncompatibleSchemaError, RegistryUnavailableError
from schemas.records import JobPayload
from tests.unit.producer.support import START, SettableClock

HOURLY = Ticks("weather", every(hours=1))
REPORT = RunReport("weather", "r1", 10, 10, 0, 1.0, None)


@pytest.fixture
def scheduler(clock: SettableClock) -> Scheduler:
    return Scheduler(now=clock.now, jitter=lambda: 0.0)


def due_in(scheduler: Scheduler, clock: SettableClock) -> float:
    due = scheduler.next_due()
    assert due is not None
    return (due - clock.now()).total_seconds()


def test_a_source_that_never_completed_runs_at_once(scheduler: Scheduler) -> None:
    scheduler.add("weather", HOURLY, None)
    job = scheduler.take_due()
    assert job is not None
    assert (job.source, job.attempt, job.reason) == ("weather", 1, "schedule")
    assert scheduler.take_due() is None


@pytest.mark.parametrize(
    ("last_completed", "at_once"),
    [
        (START - timedelta(minutes=1), True),  # 11:59: the tick of 12:00 has passed
        (START - timedelta(hours=30), True),
        (START, False),
        (START + timedelta(seconds=1), False),
        (START + timedelta(days=365), False),  # written by a clock gone wrong
    ],
)
def test_a_tick_missed_while_the_daemon_was_down_is_made_up_for_once(
    scheduler: Scheduler, clock: SettableClock, last_completed: datetime, at_once: bool
) -> None:
    scheduler.add("weather", HOURLY, last_completed)
    assert (scheduler.take_due() is not None) is at_once
    if not at_once:
        assert due_in(scheduler, clock) == 3600.0


def test_ticks_come_by_the_schedule(scheduler: Scheduler, clock: SettableClock) -> None:
    scheduler.add("weather", Ticks("weather", parse_schedule("cron 0 6 * * * Europe/Berlin")), START)
    assert scheduler.next_due() == datetime.fromisoformat("2026-01-02T05:00:00+00:00")
    clock.forward(17 * 3600 - 1)
    assert scheduler.take_due() is None
    clock.forward(1)
    assert scheduler.take_due() is not None
    clock.forward(60)
    scheduler.done("weather", REPORT)
    assert scheduler.next_due() == datetime.fromisoformat("2026-01-03T05:00:00+00:00")


def test_a_run_longer_than_its_interval_does_not_overlap_itself(
    scheduler: Scheduler, clock: SettableClock
) -> None:
    scheduler.add("weather", HOURLY, None)
    assert scheduler.take_due() is not None
    clock.forward(5.5 * 3600)
    assert scheduler.take_due() is None
    scheduler.done("weather", REPORT)
    assert due_in(scheduler, clock) == 1800.0


def test_a_limited_job_is_put_back_until_the_time_that_was_named(
    scheduler: Scheduler, clock: SettableClock
) -> None:
    scheduler.put(JobPayload(source="weather", since="2026-01-01", job_id="j1"))
    assert scheduler.take_due() is not None
    scheduler.done("weather", Requeued(clock.now() + timedelta(seconds=90), "rate limit of weather"))
    assert scheduler.statuses()["weather"].state is State.BLOCKED
    clock.forward(89.9)
    assert scheduler.take_due() is None
    clock.forward(0.1)
    job = scheduler.take_due()
    assert job is not None
    assert (job.job_id, job.since, job.attempt, job.reason) == (
        "j1",
        "2026-01-01",
        1,
        "rate limit of weather",
    )
    assert job.not_before == clock.now()


def test_a_limited_job_is_never_lost_however_often(scheduler: Scheduler, clock: SettableClock) -> None:
    scheduler.put(JobPayload(source="weather", job_id="j1"))
    for _ in range(500):
        job = scheduler.take_due()
        assert job is not None
        assert job.job_id == "j1"
        scheduler.done("weather", Requeued(clock.now() + timedelta(seconds=1), "limit"))
        clock.forward(1)


def test_a_failed_run_is_retried_with_growing_waits_until_its_attempts_are_used_up(
    scheduler: Scheduler, clock: SettableClock
) -> None:
    scheduler.add("weather", HOURLY, None)
    waits, attempts = [], []
    for _ in range(MAX_ATTEMPTS):
        job = scheduler.take_due()
        assert job is not None
        attempts.append(job.attempt)
        scheduler.done("weather", SourceError("source weather: the API answered HTML"))
        if scheduler.next_due() is not None:
            waits.append(due_in(scheduler, clock))
            clock.forward(waits[-1])
    assert attempts == [1, 2, 3, 4, 5]
    assert waits == [5.0, 10.0, 20.0, 40.0]
    failed = scheduler.statuses()["weather"]
    assert (failed.state, failed.reason) == (State.FAILED, "source weather: the API answered HTML")
    clock.forward(24 * 3600)
    assert scheduler.take_due() is None


def test_a_wait_that_the_api_asked_for_is_kept_up_to_a_bound(
    scheduler: Scheduler, clock: SettableClock
) -> None:
    for asked, kept in ((120.0, 120.0), (1.0, 5.0), (1e9, 3600.0)):
        scheduler.put(JobPayload(source="weather"))
        assert scheduler.take_due() is not None
        error = source_error("weather", "extract", UpstreamError("429", retry_after=asked))
        scheduler.done("weather", error)
        assert due_in(scheduler, clock) == kept
        clock.forward(kept)
        assert scheduler.take_due() is not None
        scheduler.done("weather", REPORT)


@pytest.mark.parametrize("asked", ["120", "soon", float("nan"), float("inf"), -5.0, object(), START])
def test_whatever_an_author_s_error_asks_for_the_job_is_put_back(
    scheduler: Scheduler, clock: SettableClock, asked: Any
) -> None:
    scheduler.put(JobPayload(source="weather"))
    assert scheduler.take_due() is not None
    error = source_error("weather", "extract", UpstreamError("429", retry_after=asked))
    scheduler.done("weather", error)
    assert due_in(scheduler, clock) == (120.0 if asked == "120" else 5.0)


class Speechless(Exception):
    def __str__(self) -> str:
        raise Speechless


def test_an_error_without_words_puts_the_job_back_too(scheduler: Scheduler, clock: SettableClock) -> None:
    for error in (Speechless(), source_error("weather", "extract", Speechless())):
        scheduler.put(JobPayload(source="weather"))
        assert scheduler.take_due() is not None
        scheduler.done("weather", error)
        assert "Speechless" in (scheduler.statuses()["weather"].reason or "")
        clock.forward(due_in(scheduler, clock))
        assert scheduler.take_due() is not None
        scheduler.done("weather", REPORT)


def test_an_absent_dependency_uses_no_attempt_up(scheduler: Scheduler, clock: SettableClock) -> None:
    scheduler.put(JobPayload(source="weather"))
    for error in [BrokerAwayError("no broker"), RegistryUnavailableError("no registry")] * 10:
        job = scheduler.take_due()
        assert job is not None
        assert job.attempt == 1
        scheduler.done("weather", error)
        assert scheduler.statuses()["weather"].state is State.BLOCKED
        assert 0 < due_in(scheduler, clock) <= 15.0
        clock.forward(due_in(scheduler, clock))


@pytest.mark.parametrize(
    "error",
    [
        IncompatibleSchemaError("ingest.weather-value", ["field price: string is no double"]),
        SinceError("since='x' is no value"),
        CursorError("unreadable"),
        source_error("weather", "extract", SinceError("since")),
    ],
)
def test_what_retrying_cannot_heal_fails_the_source_at_once_and_no_other(
    scheduler: Scheduler, clock: SettableClock, error: Exception
) -> None:
    if isinstance(error, SourceError):
        error.__cause__ = SinceError("since")
    scheduler.add("weather", HOURLY, None)
    scheduler.add("news", HOURLY, None)
    assert scheduler.take_due() is not None
    scheduler.done("weather", error)
    assert scheduler.statuses()["weather"].state is State.FAILED
    news = scheduler.take_due()
    assert news is not None
    assert news.source == "news"
    scheduler.done("news", REPORT)
    assert due_in(scheduler, clock) == 3600.0


def test_jobs_of_a_running_source_wait_for_its_end_and_hold_up_no_other(scheduler: Scheduler) -> None:
    scheduler.put(JobPayload(source="weather", job_id="first"))
    scheduler.put(JobPayload(source="weather", job_id="second"))
    scheduler.put(JobPayload(source="news", job_id="other"))
    taken = [scheduler.take_due(), scheduler.take_due(), scheduler.take_due()]
    assert [job.job_id if job else None for job in taken] == ["first", "other", None]
    scheduler.done("weather", REPORT)
    job = scheduler.take_due()
    assert job is not None
    assert job.job_id == "second"


def test_states_are_told_as_they_change(clock: SettableClock) -> None:
    told: list[tuple[str, State]] = []

    def on_status(source: str, status: Status) -> None:
        told.append((source, status.state))

    scheduler = Scheduler(now=clock.now, on_status=on_status)
    scheduler.add("weather", HOURLY, None)
    scheduler.take_due()
    scheduler.done("weather", SystemExit(1))
    scheduler.refuse("news", "needs INGEST_SOURCES__NEWS__API_KEY")
    assert told == [
        ("weather", State.SCHEDULED),
        ("weather", State.RUNNING),
        ("weather", State.RETRYING),
        ("news", State.BLOCKED),
    ]
    assert scheduler.statuses()["weather"].next_due is not None


def test_the_last_success_and_the_last_failure_outlive_the_states_after_them(
    scheduler: Scheduler, clock: SettableClock
) -> None:
    def told() -> tuple[datetime | None, Failure | None]:
        status = scheduler.statuses()["weather"]
        return status.last_success, status.last_failure

    def end(outcome: Any) -> None:
        scheduler.put(JobPayload(source="weather"))
        assert scheduler.take_due() is not None
        scheduler.done("weather", outcome)

    before = START - timedelta(minutes=5)
    scheduler.add("weather", HOURLY, before)
    assert told() == (before, None)
    end(CursorError("unreadable"))
    failure = Failure(START, "unreadable")
    assert told() == (before, failure)
    clock.forward(10)
    end(replace(REPORT, completed=False))
    assert told() == (before, failure)
    end(REPORT)
    assert told() == (clock.now(), failure)
    end(BrokerAwayError("no broker"))
    assert told() == (clock.now(), Failure(clock.now(), "no broker"))


class Raising:
    """A schedule of an author's own, gone wrong."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def next_after(self, t: datetime) -> datetime:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]

    def describe(self) -> str:
        return "never"


@pytest.mark.parametrize(
    "answer",
    [ValueError("no idea"), None, "tomorrow", START, datetime(2030, 1, 1), START - timedelta(days=1)],  # noqa: DTZ001
)
def test_a_schedule_that_gives_no_next_time_fails_its_source_alone(
    scheduler: Scheduler, clock: SettableClock, answer: Any
) -> None:
    scheduler.add("weather", Ticks("weather", Raising(answer)), None)
    scheduler.add("late", Ticks("weather", Raising(answer)), START)
    scheduler.add("news", HOURLY, START)
    assert scheduler.take_due() is not None
    scheduler.done("weather", REPORT)
    states = {source: status.state for source, status in scheduler.statuses().items()}
    assert states == {"weather": State.FAILED, "late": State.FAILED, "news": State.SCHEDULED}
    assert due_in(scheduler, clock) == 3600.0


class Journal:
    """Remembers what was written to the jobs topic."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, int]] = []

    def keep(self, job: JobPayload) -> None:
        self.written.append(("keep", job.job_id, job.attempt))

    def drop(self, job: JobPayload) -> None:
        self.written.append(("drop", job.job_id, job.attempt))


def test_a_job_is_written_when_it_is_put_back_and_deleted_when_it_is_over(clock: SettableClock) -> None:
    journal = Journal()
    scheduler = Scheduler(now=clock.now, jitter=lambda: 0.0, journal=journal)
    scheduler.add("weather", HOURLY, START, [JobPayload(source="weather", job_id="j")])
    assert scheduler.take_due() is not None
    scheduler.done("weather", SourceError("no"))
    clock.forward(10)
    assert scheduler.take_due() is not None
    scheduler.done("weather", REPORT)
    assert journal.written == [("keep", "j", 2), ("drop", "j", 2)]
    # Its own record, read late, is no new job.
    scheduler.put(JobPayload(source="weather", job_id="j", attempt=2), stored=True)
    assert scheduler.take_due() is None


def test_a_tick_that_was_put_back_is_the_next_tick_of_the_next_owner(
    scheduler: Scheduler, clock: SettableClock
) -> None:
    later = START + timedelta(minutes=10)
    tick = JobPayload(source="weather", tick=START, not_before=later, attempt=3)
    scheduler.add("weather", HOURLY, None, [tick])
    assert scheduler.take_due() is None
    clock.forward(600)
    assert scheduler.take_due() == tick
    scheduler.done("weather", REPORT)
    assert due_in(scheduler, clock) == 3000.0


def test_a_source_given_away_in_mid_run_keeps_nothing_and_starts_afresh_when_it_returns(
    clock: SettableClock,
) -> None:
    journal = Journal()
    scheduler = Scheduler(now=clock.now, journal=journal)
    job = JobPayload(source="weather", job_id="j")
    scheduler.add("weather", HOURLY, START, [job])
    assert scheduler.take_due() == job
    scheduler.unassigned("weather", "another producer runs it")
    assert scheduler.next_due() is None
    scheduler.add("weather", HOURLY, START, [job])
    assert scheduler.take_due() is None  # one at a time, also across owners
    scheduler.done("weather", REPORT)
    assert journal.written == []
    assert scheduler.take_due() == job


def test_a_stopped_run_is_no_job_done(clock: SettableClock) -> None:
    journal = Journal()
    scheduler = Scheduler(now=clock.now, journal=journal)
    scheduler.put(JobPayload(source="weather", job_id="j"), stored=True)
    assert scheduler.take_due() is not None
    scheduler.done("weather", replace(REPORT, completed=False))
    assert journal.written == []
    scheduler.cancel(lambda job: job.job_id == "j")
    assert scheduler.take_due() is None


def test_what_a_run_rejected_is_told_until_one_rejects_nothing(
    scheduler: Scheduler, clock: SettableClock
) -> None:
    scheduler.add("weather", HOURLY, None)
    for rejected, says in ((3, "the last run rejected 3 of 4 items; look: ingest topics tail"), (0, None)):
        scheduler.take_due()
        scheduler.done("weather", replace(REPORT, extracted=4, rejected=rejected))
        reason = scheduler.statuses()["weather"].reason
        assert reason is None if says is None else str(reason).startswith(says)
        clock.forward(3600)
