"""Scheduler: what people can do to a source (pause, resume, trigger, restart), and what FAILED means."""

from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.base import Missed
from connectors.schedule import every
from producer.engine import Requeued
from producer.errors import CursorError
from producer.scheduler import MAX_ATTEMPTS, Scheduler
from producer.states import State
from producer.ticks import Ticks
from schemas.records import JobPayload
from tests.unit.producer.support import START, SettableClock
from tests.unit.producer.test_scheduler import HOURLY, REPORT

WRONG = CursorError("unreadable")


class Records:
    """The newest record of each job, as the jobs topic keeps it."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobPayload] = {}

    def keep(self, job: JobPayload) -> None:
        self.jobs[job.job_id] = job

    def drop(self, job: JobPayload) -> None:
        self.jobs.pop(job.job_id, None)


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def scheduler(clock: SettableClock, records: Records) -> Scheduler:
    return Scheduler(now=clock.now, jitter=lambda: 0.0, journal=records)


def state(scheduler: Scheduler) -> tuple[State, str | None]:
    status = scheduler.statuses()["weather"]
    return status.state, status.reason


def run(scheduler: Scheduler, outcome: object = REPORT) -> JobPayload:
    job = scheduler.take_due()
    assert job is not None
    scheduler.done("weather", outcome)  # type: ignore[arg-type]
    return job


def asked(name: str) -> JobPayload:
    return JobPayload(source="weather", job_id=name, reason="triggered")


def test_a_trigger_runs_a_failed_source_and_its_clock_goes_on(
    scheduler: Scheduler, clock: SettableClock, records: Records
) -> None:
    scheduler.add("weather", HOURLY, None)
    run(scheduler, WRONG)
    assert state(scheduler) == (State.FAILED, "unreadable")
    assert scheduler.next_due() is None
    assert [job.failed for job in records.jobs.values()] == [START]
    scheduler.put(asked("now"), stored=True)
    assert run(scheduler).job_id == "now"
    assert state(scheduler) == (State.SCHEDULED, None)
    assert not records.jobs
    clock.forward(3600)
    assert run(scheduler).tick == START + timedelta(hours=1)


def test_a_restart_tries_the_failed_job_again_from_its_first_attempt(
    scheduler: Scheduler, records: Records
) -> None:
    scheduler.add("weather", HOURLY, START)
    scheduler.put(JobPayload(source="weather", job_id="old", since="2026-01-01", attempt=3), stored=True)
    run(scheduler, WRONG)
    scheduler.restart(asked("restart"))
    job = run(scheduler)
    assert (job.job_id, job.since, job.attempt) == ("old", "2026-01-01", 1)
    assert not records.jobs
    assert scheduler.next_due() == START + timedelta(hours=1)


def test_a_restart_of_what_has_not_failed_is_a_run(scheduler: Scheduler) -> None:
    scheduler.add("weather", HOURLY, START)
    scheduler.restart(asked("restart"))
    assert run(scheduler).job_id == "restart"


def test_a_failed_source_stays_failed_with_whoever_takes_it_over(
    scheduler: Scheduler, clock: SettableClock, records: Records
) -> None:
    scheduler.add("weather", HOURLY, None)
    clock.forward(1)
    run(scheduler, WRONG)
    other = Scheduler(now=lambda: START, journal=records)
    other.add("weather", HOURLY, None, list(records.jobs.values()))
    assert state(other) == (State.FAILED, "unreadable")
    assert other.next_due() is None


def test_a_producer_started_after_the_failure_tries_once_more(
    scheduler: Scheduler, clock: SettableClock, records: Records
) -> None:
    scheduler.add("weather", HOURLY, None)
    run(scheduler, WRONG)
    clock.forward(60)
    later = Scheduler(now=clock.now, journal=records)
    later.add("weather", HOURLY, None, list(records.jobs.values()))
    assert run(later, ValueError("still")).attempt == MAX_ATTEMPTS
    assert state(later) == (State.FAILED, "still")


def test_what_a_job_waits_for_outlives_its_owner(
    scheduler: Scheduler, clock: SettableClock, records: Records
) -> None:
    scheduler.add("weather", HOURLY, None)
    run(scheduler, Requeued(START + timedelta(minutes=5), "quota 750/hour"))
    other = Scheduler(now=clock.now, jitter=lambda: 0.0, journal=records)
    other.add("weather", HOURLY, None, list(records.jobs.values()))
    assert state(other) == (State.BLOCKED, "quota 750/hour")
    clock.forward(300)
    assert other.take_due() is not None
    assert state(other) == (State.RUNNING, "again, after: quota 750/hour")
    other.done("weather", ValueError("odd"))
    third = Scheduler(now=clock.now, journal=records)
    third.add("weather", HOURLY, None, list(records.jobs.values()))
    assert state(third) == (State.RETRYING, "odd")


def test_of_several_failed_jobs_the_newest_says_why_and_the_others_are_over(
    scheduler: Scheduler, clock: SettableClock, records: Records
) -> None:
    former = asked("a").model_copy(update={"failed": START, "reason": "once"})
    newest = asked("b").model_copy(update={"failed": START + timedelta(seconds=9), "reason": "again"})
    records.jobs = {"b": newest, "a": former}
    clock.forward(10)
    scheduler = Scheduler(now=lambda: START, journal=records)
    scheduler.add("weather", HOURLY, None, [newest, former])
    assert state(scheduler) == (State.FAILED, "again")
    assert records.jobs == {"b": newest}


def test_what_is_read_late_of_a_failed_job_does_not_bring_it_back(
    scheduler: Scheduler, clock: SettableClock, records: Records
) -> None:
    scheduler.add("weather", HOURLY, None)
    run(scheduler, ValueError("once"))
    [put_back] = records.jobs.values()
    clock.forward(5)
    run(scheduler, WRONG)
    [failed] = records.jobs.values()
    for late in (put_back, failed):
        scheduler.put(late, stored=True)
    assert scheduler.take_due() is None
    assert state(scheduler) == (State.FAILED, "unreadable")


def test_a_paused_source_begins_nothing_until_it_is_resumed(
    scheduler: Scheduler, clock: SettableClock
) -> None:
    scheduler.add("weather", HOURLY, START)
    scheduler.pause("weather", "paused by ann")
    assert state(scheduler) == (State.PAUSED, "paused by ann")
    scheduler.put(asked("now"), stored=True)
    clock.forward(2 * 3600)
    assert scheduler.take_due() is None
    assert state(scheduler) == (State.PAUSED, "paused by ann")
    scheduler.resume("weather")
    assert state(scheduler)[0] is State.SCHEDULED
    assert [run(scheduler).reason, run(scheduler).reason] == ["triggered", "schedule"]
    assert scheduler.take_due() is None


def test_a_run_that_a_pause_has_stopped_goes_on_after_it(scheduler: Scheduler) -> None:
    scheduler.add("weather", HOURLY, None)
    job = scheduler.take_due()
    assert job is not None
    scheduler.pause("weather", "paused by ann")
    assert state(scheduler)[0] is State.RUNNING
    scheduler.done("weather", replace(REPORT, completed=False))
    assert state(scheduler) == (State.PAUSED, "paused by ann")
    assert scheduler.take_due() is None
    scheduler.resume("weather")
    assert run(scheduler).job_id == job.job_id


@pytest.mark.parametrize(("missed", "ticks"), [("once", [1]), ("all", [1, 2, 3]), ("skip", [])])
def test_ticks_missed_in_a_pause_are_made_up_for_as_declared(
    scheduler: Scheduler, clock: SettableClock, missed: Missed, ticks: list[int]
) -> None:
    scheduler.add("weather", Ticks("weather", every(hours=1), missed), START)
    scheduler.pause("weather", "paused by ann")
    clock.forward(3.5 * 3600)
    assert scheduler.take_due() is None
    scheduler.resume("weather")
    assert made_up(scheduler) == ticks
    assert scheduler.next_due() == START + timedelta(hours=4)


@pytest.mark.parametrize(("missed", "ticks"), [("once", [1]), ("all", [1, 2, 3]), ("skip", [])])
def test_ticks_missed_without_a_producer_are_made_up_for_as_declared(
    scheduler: Scheduler, clock: SettableClock, missed: Missed, ticks: list[int]
) -> None:
    clock.forward(3.5 * 3600)
    scheduler.add("weather", Ticks("weather", every(hours=1), missed), START)
    assert made_up(scheduler) == ticks
    assert scheduler.next_due() == START + timedelta(hours=4)


def test_what_is_left_of_missed_ticks_is_found_by_the_next_producer(
    scheduler: Scheduler, clock: SettableClock, records: Records
) -> None:
    ticks = Ticks("weather", every(hours=1), "all")
    clock.forward(3.5 * 3600)
    scheduler.add("weather", ticks, START)
    run(scheduler)
    other = Scheduler(now=clock.now, journal=records)
    other.add("weather", ticks, clock.now(), list(records.jobs.values()))
    assert made_up(other) == [2, 3]


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_tick_interrupted_in_mid_run_is_no_missed_one(
    scheduler: Scheduler, clock: SettableClock, records: Records, handed_over: bool
) -> None:
    ticks = Ticks("weather", every(hours=1), "skip")
    scheduler.add("weather", ticks, START)
    clock.forward(3600)
    begun = scheduler.take_due()
    assert begun is not None
    if handed_over:
        scheduler.unassigned("weather", "another producer runs it")
    scheduler.done("weather", replace(REPORT, completed=False))
    clock.forward(60)
    other = Scheduler(now=clock.now, journal=records)
    other.add("weather", ticks, START, list(records.jobs.values()))
    assert other.take_due() == begun
    other.done("weather", REPORT)
    assert records.jobs == {}


def made_up(scheduler: Scheduler) -> list[int]:
    """The hours after the start whose ticks have run."""
    found = []
    while (job := scheduler.take_due()) is not None:
        assert job.tick is not None
        found.append((job.tick - START) // timedelta(hours=1))
        scheduler.done("weather", REPORT)
    return found


def test_jitter_makes_a_tick_late_by_the_same_amount_wherever_it_is_asked() -> None:
    ticks = Ticks("weather", every(hours=1), jitter=timedelta(minutes=10))
    late = [ticks.due(START + timedelta(hours=n)) - START - timedelta(hours=n) for n in range(50)]
    assert all(timedelta(0) <= one <= timedelta(minutes=10) for one in late)
    assert len(set(late)) > 40
    assert ticks.due(START) == Ticks("weather", every(hours=1), jitter=timedelta(minutes=10)).due(START)
    assert ticks.due(START) != Ticks("news", every(hours=1), jitter=timedelta(minutes=10)).due(START)


def test_a_job_that_was_put_back_has_run_and_was_stopped_waits_for_nothing(
    scheduler: Scheduler, clock: SettableClock
) -> None:
    scheduler.add("weather", HOURLY, None)
    run(scheduler, Requeued(START + timedelta(minutes=5), "quota 750/hour"))
    clock.forward(300)
    assert scheduler.take_due() is not None
    scheduler.pause("weather", "paused by ann")
    scheduler.done("weather", replace(REPORT, completed=False))
    scheduler.resume("weather")
    assert state(scheduler) == (State.SCHEDULED, None)


def test_the_end_of_a_run_that_was_left_behind_is_seen_by_whoever_waited_for_it(
    scheduler: Scheduler, clock: SettableClock
) -> None:
    """The source went elsewhere and came back; its connector had hung all the while."""
    scheduler.add("weather", HOURLY, None)
    scheduler.take_due()
    scheduler.unassigned("weather", "another producer runs it")
    scheduler.add("weather", HOURLY, clock.now())
    scheduler.pause("weather", "paused by ann")
    assert scheduler.statuses()["weather"].state is State.RUNNING
    scheduler.done("weather", REPORT)
    assert scheduler.statuses()["weather"].state is State.PAUSED


def test_the_end_of_a_run_that_was_left_behind_is_nothing_to_who_does_not_own_it(
    scheduler: Scheduler,
) -> None:
    scheduler.add("weather", HOURLY, None)
    scheduler.take_due()
    scheduler.unassigned("weather", "another producer runs it")
    scheduler.done("weather", REPORT)
    assert scheduler.statuses()["weather"].state is State.UNASSIGNED
