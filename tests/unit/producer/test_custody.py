"""Custody: what records of the jobs topic do to a source that is being taken, is owned, or was owned."""

import threading
from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby
from typing import Any, cast

import pytest

from connectors.schedule import every
from producer.custody import Custody
from producer.engine import Requeued
from producer.errors import BrokerAwayError, CursorError, TopicRefusedError
from producer.jobs import Request
from producer.lease import TimedLease
from producer.ownership import GroupOwnership
from producer.positions import Position
from producer.scheduler import Scheduler
from producer.states import State
from producer.ticks import Ticks
from runtime.stopping import Deadline
from schemas.records import JobPayload, Pause
from tests.unit.producer.support import START, SettableClock, eventually
from tests.unit.producer.test_scheduler import HOURLY, REPORT

WRONG = CursorError("unreadable")


class Topic:
    """Partition 0 of the jobs topic; what is written is read at once when `read` is called."""

    def __init__(self) -> None:
        self.kept: list[Request] = []
        self.dropped: list[str] = []
        self.moved: dict[int, list[Request]] = {}

    def partition(self, source: str) -> int:
        return 0

    def keep(self, job: Request) -> None:
        self.kept.append(job)

    def move(self, jobs: Iterable[Request], former: int) -> None:
        self.moved[former] = [*jobs]

    def drop(self, job: Request) -> None:
        self.dropped.append(cast("JobPayload", job).job_id)


class Engine:
    """Take-overs find this position; `extracting`: runs are beyond their start."""

    def __init__(self, position: Position | None = None) -> None:
        self.extracting, self.position = True, position
        self.hindrance: Exception | None = None

    def fence(self, source: str) -> Position | None:
        if self.hindrance is not None:
            raise self.hindrance
        return self.position

    def stop(self, source: str) -> None:
        return None

    def allow(self, source: str) -> None:
        return None

    def interrupt(self, source: str) -> bool:
        return self.extracting


class Limiter:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def doubt(self, source: str) -> None:
        self.asked.append("doubt")

    def acquire(self, source: str) -> None:
        self.asked.append("acquire")

    def release(self, source: str) -> None:
        self.asked.append("release")


class Owner:
    """A custody of one source, `weather`, with its scheduler and its topic; `refused`: why it is not run."""

    def __init__(
        self,
        clock: SettableClock,
        ticks: Ticks = HOURLY,
        position: Position | None = None,
        refused: str | None = None,
    ) -> None:
        self.topic, self.engine, self.limiter = Topic(), Engine(position), Limiter()
        self.told: list[State] = []
        journal = cast("Any", self.topic)
        self.scheduler = Scheduler(
            now=clock.now,
            jitter=lambda: 0.0,
            journal=journal,
            on_status=lambda source, status: self.told.append(status.state),
        )
        never = threading.Event()
        self.custody = Custody(
            {} if refused else {"weather": ticks},
            {"weather": refused} if refused else {},
            self.scheduler,
            cast("Any", self.engine),
            cast("Any", self.limiter),
            GroupOwnership(TimedLease("the place", 60), never),
            journal,
            never,
        )

    def take(self, *requests: Request) -> None:
        self.custody.take(0, requests)
        eventually(lambda: self.state is not State.UNASSIGNED)

    def read_back(self) -> None:
        """As the fleet does with what this process has written."""
        kept, self.topic.kept = self.topic.kept, []
        for request in kept:
            self.custody.offer(0, request)

    def run(self, outcome: object = REPORT) -> JobPayload:
        job = self.scheduler.take_due()
        assert job is not None
        self.scheduler.done("weather", outcome)  # type: ignore[arg-type]
        return job

    @property
    def state(self) -> State:
        return self.scheduler.statuses()["weather"].state


@pytest.fixture
def owner(clock: SettableClock) -> Owner:
    return Owner(clock)


def restart() -> JobPayload:
    return JobPayload(source="weather", job_id="restart", restart=True, reason="restarted by ann")


def test_a_restart_whose_run_fails_for_good_does_not_restart_itself(owner: Owner) -> None:
    owner.take()
    owner.run()
    owner.custody.offer(0, restart())
    assert owner.run(WRONG).job_id == "restart"
    owner.read_back()
    assert owner.state is State.FAILED
    assert owner.scheduler.next_due() is None
    assert owner.topic.dropped == []


def test_a_restart_that_was_put_back_does_not_end_another_run(owner: Owner, clock: SettableClock) -> None:
    owner.take()
    owner.run()
    owner.custody.offer(0, restart())
    owner.run(Requeued(START + timedelta(minutes=10), "a quota"))
    clock.forward(300)
    owner.custody.offer(0, JobPayload(source="weather", job_id="now"))
    assert owner.scheduler.take_due() is not None
    owner.read_back()
    assert owner.topic.dropped == []


def test_a_restart_asked_for_while_nobody_ran_the_source_tries_its_failed_job_again(
    owner: Owner, clock: SettableClock
) -> None:
    clock.forward(60)
    failed = JobPayload(source="weather", job_id="old", since="2026-01-01", attempt=5, failed=clock.now())
    owner.take(failed, restart())
    job = owner.run()
    assert (job.job_id, job.since, job.attempt) == ("old", "2026-01-01", 1)
    assert owner.topic.dropped == ["restart", "old"]


def test_a_restart_is_not_forgotten_with_a_run_that_fails_before_it_extracts(owner: Owner) -> None:
    owner.take()
    owner.engine.extracting = False
    assert owner.scheduler.take_due() is not None
    owner.custody.offer(0, restart())
    owner.scheduler.done("weather", WRONG)
    assert owner.run().job_id == "restart"


def test_a_tick_that_a_former_owner_put_back_late_is_not_a_second_clock(owner: Owner) -> None:
    owner.take()
    owner.run()
    owner.custody.offer(0, JobPayload(source="weather", job_id="theirs", tick=START, attempt=2))
    assert owner.scheduler.take_due() is None
    assert owner.topic.dropped == ["theirs"]


def test_a_job_that_a_former_owner_put_back_or_failed_late_does_not_stay(owner: Owner) -> None:
    owner.take()
    owner.run()
    job = JobPayload(source="weather", job_id="asked")
    owner.custody.offer(0, job)
    owner.run()
    owner.topic.dropped.clear()
    owner.custody.offer(0, job.model_copy(update={"attempt": 2}))
    owner.custody.offer(0, JobPayload(source="weather", job_id="theirs", failed=START))
    assert owner.scheduler.take_due() is None
    assert owner.topic.dropped == ["asked", "theirs"]


def test_a_tick_whose_record_was_deleted_is_tried_again_all_the_same(
    owner: Owner, clock: SettableClock
) -> None:
    owner.take()
    job = owner.run(ValueError("once"))
    owner.custody.cancel(0, job.job_id)
    assert owner.scheduler.next_due() == START + timedelta(seconds=5)
    clock.forward(5)
    assert owner.run().job_id == job.job_id
    assert owner.scheduler.next_due() == START + timedelta(hours=1)


def test_jobs_and_pauses_are_moved_from_a_partition_that_is_no_longer_their_sources(owner: Owner) -> None:
    requests: list[Request] = [Pause(source="weather", at=START, by="ann"), JobPayload(source="weather")]
    owner.custody.take(1, requests)
    assert owner.topic.moved == {1: requests}


def test_a_job_that_was_deleted_while_the_place_was_in_doubt_is_not_run(owner: Owner) -> None:
    kept, deleted = JobPayload(source="weather"), JobPayload(source="weather")
    owner.take(kept, deleted)
    running = owner.scheduler.take_due()
    assert running is not None
    gone = deleted if running.job_id == kept.job_id else kept
    owner.custody.take(0, [running])
    owner.scheduler.done("weather", REPORT)
    left = owner.scheduler.take_due()
    assert left is None or left.job_id != gone.job_id


def test_what_is_deleted_from_a_former_partition_was_moved_and_stays_in_force(owner: Owner) -> None:
    job = JobPayload(source="weather")
    owner.take(job)
    owner.custody.cancel(1, job.job_id)
    assert owner.run().job_id == job.job_id
    owner.custody.offer(0, Pause(source="weather", at=START, by="ann"))
    owner.custody.cancel(1, "pause/weather")
    assert owner.state is State.PAUSED


def test_what_is_asked_for_in_a_former_partition_is_moved_before_it_is_obeyed(owner: Owner) -> None:
    owner.take()
    owner.run()
    job = JobPayload(source="weather", not_before=START)
    owner.custody.offer(1, job)
    assert owner.topic.moved == {1: [job]}
    assert owner.scheduler.take_due() is None


def test_a_source_that_is_ours_again_after_a_doubt_is_told_and_its_limits_are_read_again(
    owner: Owner,
) -> None:
    owner.take()
    assert owner.scheduler.take_due() is not None
    owner.told.clear()
    owner.limiter.asked.clear()
    owner.custody.take(0, [])
    assert owner.told == [State.RUNNING]
    assert owner.limiter.asked == ["doubt"]


def test_of_ticks_that_are_all_to_run_those_behind_a_committed_one_still_come(clock: SettableClock) -> None:
    """Killed after the commit of the first, before the next was written."""
    clock.forward(3 * 3600 + 60)
    tick = JobPayload(source="weather", tick=START + timedelta(hours=1))
    position = Position(
        source="weather", run_id="r", at=clock.now(), completed=clock.now(), jobs=(tick.job_id,)
    )
    owner = Owner(clock, Ticks("weather", every(hours=1), "all"), position)
    owner.take(tick)
    assert owner.run().tick == START + timedelta(hours=2)
    assert owner.topic.dropped[:1] == [tick.job_id]


def test_the_last_success_is_when_the_run_had_ended_for_its_next_owner_too(clock: SettableClock) -> None:
    position = Position(source="weather", run_id="r", at=START, completed=START)
    ended = START + timedelta(minutes=50)
    for stored, told in ((position, START), (position.model_copy(update={"finished": ended}), ended)):
        owner = Owner(clock, Ticks("weather", every(hours=1)), stored)
        owner.take()
        status = owner.scheduler.statuses()["weather"]
        assert (status.last_success, status.next_due) == (told, START + timedelta(hours=1))


@pytest.fixture
def hindered(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> Owner:
    """The take-over of its source has failed, and is tried again all the time."""
    monkeypatch.setattr("producer.custody._RETRY_SECONDS", 0.01)
    owner.engine.hindrance = TopicRefusedError("no right to ingest.weather")
    owner.custody.take(0, [])
    eventually(lambda: owner.told[-1:] == [State.BLOCKED])
    return owner


def test_a_take_over_that_fails_for_good_says_why_until_it_does_not(
    hindered: Owner,
) -> None:
    reason = hindered.scheduler.statuses()["weather"].reason
    assert reason == "its take-over fails: no right to ingest.weather"
    assert hindered.told.count(State.BLOCKED) == 1
    hindered.engine.hindrance = None
    eventually(lambda: hindered.told[-1:] == [State.SCHEDULED])


def test_a_take_over_that_fails_and_is_over_leaves_no_word_behind(
    hindered: Owner,
) -> None:
    hindered.custody.give_up([0], Deadline(5.0))
    assert hindered.told[-1] is State.UNASSIGNED


def test_a_source_whose_take_over_fails_can_be_paused_and_resumed(hindered: Owner) -> None:
    hindered.custody.offer(0, Pause(source="weather", at=START, by="ann"))
    assert hindered.told[-1:] == [State.PAUSED]
    assert "before that BLOCKED: its take-over fails" in str(hindered.scheduler.statuses()["weather"].reason)
    hindered.custody.cancel(0, "pause/weather")
    assert hindered.told[-1:] == [State.BLOCKED]
    hindered.custody.offer(0, Pause(source="weather", at=START, by="ann"))
    hindered.engine.hindrance = None
    eventually(lambda: "weather" not in hindered.custody._taking)  # noqa: SLF001
    assert hindered.told[-1:] == [State.PAUSED]


def test_a_pause_from_before_is_in_force_while_the_take_over_fails(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.custody._RETRY_SECONDS", 0.01)
    owner.engine.hindrance = TopicRefusedError("no right")
    owner.custody.take(0, [Pause(source="weather", at=START, by="ann")])
    eventually(lambda: owner.told[-1:] == [State.PAUSED])
    owner.custody.give_up([0], Deadline(5.0))
    assert owner.told[-1] is State.UNASSIGNED


def test_what_hinders_a_take_over_is_told_as_it_changes(hindered: Owner) -> None:
    hindered.engine.hindrance = BrokerAwayError("the broker is away")
    eventually(lambda: "away" in str(hindered.scheduler.statuses()["weather"].reason))
    hindered.engine.hindrance = TopicRefusedError("no right to ingest.weather")
    eventually(lambda: "no right" in str(hindered.scheduler.statuses()["weather"].reason))


def test_a_source_without_its_settings_can_be_paused_and_resumed(clock: SettableClock) -> None:
    owner = Owner(clock, refused="needs INGEST_SOURCES__WEATHER__API_KEY")
    pause = Pause(source="weather", at=START, by="ann")
    owner.take(pause, JobPayload(source="weather"))
    assert "before that BLOCKED: needs INGEST" in str(owner.scheduler.statuses()["weather"].reason)
    owner.custody.cancel(0, "pause/weather")
    owner.custody.offer(0, JobPayload(source="weather"))
    assert owner.scheduler.take_due() is None
    owner.custody.offer(0, pause)
    owner.custody.take(0, [])
    owner.custody.give_up([0], Deadline(1.0))
    owner.custody.offer(0, pause)
    states = [state.value for state, _ in groupby(owner.told)]
    assert states == ["PAUSED", "BLOCKED", "PAUSED", "BLOCKED", "UNASSIGNED"]
