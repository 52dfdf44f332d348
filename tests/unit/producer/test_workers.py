"""Workers: bounded, one run a source, and no source hurts another, whatever it does."""

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from connectors.schedule import every
from producer.engine import Requeued
from producer.errors import BrokerAwayError
from producer.limiter import RateLimiter, utc_now
from producer.run import RunReport
from producer.scheduler import Scheduler
from producer.states import State, Status
from producer.ticks import Ticks
from producer.workers import Workers
from runtime.stopping import Deadline, Stopping
from schemas.records import JobPayload
from tests.unit.producer.support import START, SettableClock, eventually


class ScriptedEngine:
    """Runs what a test says for each source; remembers how many ran at once."""

    def __init__(self, scripts: dict[str, Callable[[], object]]) -> None:
        self.scripts = scripts
        self.silences: dict[str, float] = {}
        self.waits: dict[str, str] = {}
        self.jobs: list[JobPayload] = []
        self.running: list[str] = []
        self.most_at_once = 0

    def run(self, job: JobPayload) -> RunReport | Requeued:
        self.jobs.append(job)
        self.running.append(job.source)
        self.most_at_once = max(self.most_at_once, len(self.running))
        try:
            self.scripts.get(job.source, lambda: None)()
        finally:
            self.running.remove(job.source)
        return RunReport(job.source, "r", 1, 1, 0, 0.1, None)

    def silent_for(self, source: str) -> float | None:
        return self.silences.get(source)

    def waits_for(self, source: str) -> str | None:
        return self.waits.get(source)


def hurried() -> datetime:
    """Wall time at a hundredfold speed."""
    return START + timedelta(seconds=100 * time.monotonic())


def fail() -> None:
    raise ValueError("broken for good")


@contextmanager
def serving(
    engine: ScriptedEngine, scheduler: Scheduler, workers: int, now: Callable[[], datetime] = utc_now
) -> Iterator[Workers]:
    stopping = Stopping()
    pool = Workers(scheduler, engine, workers=workers, now=now, beat=0.01)
    thread = threading.Thread(target=pool.serve, args=(stopping,))
    thread.start()
    try:
        yield pool
    finally:
        stopping.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_at_most_so_many_run_at_once() -> None:
    gate = threading.Event()
    engine = ScriptedEngine({f"s{number}": lambda: gate.wait(10) for number in range(6)})
    scheduler = Scheduler()
    with serving(engine, scheduler, workers=2) as pool:
        for number in range(6):
            scheduler.add(f"s{number}", Ticks(f"s{number}", every(hours=1)), None)
        eventually(lambda: len(engine.running) == 2)
        gate.set()
        eventually(lambda: len(engine.jobs) == 6 and not engine.running)
        assert pool.join(Deadline(10))
    assert engine.most_at_once == 2


class Speechless(Exception):
    def __str__(self) -> str:
        raise Speechless


def speechless() -> None:
    raise Speechless


@pytest.mark.parametrize(
    "misdeed", [fail, speechless, lambda: sys.exit(1), lambda: (_ for _ in ()).throw(KeyboardInterrupt)]
)
def test_a_source_that_fails_hurts_no_other(misdeed: Callable[[], object]) -> None:
    engine = ScriptedEngine({"bad": misdeed})
    scheduler = Scheduler()
    with serving(engine, scheduler, workers=1):
        scheduler.add("bad", Ticks("bad", every(hours=1)), None)
        scheduler.add("good", Ticks("good", every(hours=1)), None)
        eventually(lambda: {job.source for job in engine.jobs} == {"bad", "good"} and not engine.running)
        eventually(lambda: scheduler.statuses()["good"].state is State.SCHEDULED)
        assert scheduler.statuses()["bad"].state is State.RETRYING


def test_a_source_that_blocks_lends_its_place() -> None:
    forever = threading.Event()
    engine = ScriptedEngine({"stuck": lambda: forever.wait(30)})
    scheduler = Scheduler()
    with serving(engine, scheduler, workers=1) as pool:
        scheduler.add("stuck", Ticks("stuck", every(hours=1)), None)
        eventually(lambda: engine.running == ["stuck"])
        scheduler.add("good", Ticks("good", every(hours=1)), None)
        assert [job.source for job in engine.jobs] == ["stuck"]
        engine.silences["stuck"] = 31.0
        eventually(lambda: [job.source for job in engine.jobs] == ["stuck", "good"])
        assert not pool.join(Deadline(0.05))
        forever.set()


def test_a_due_job_without_a_place_is_not_asked_for_all_the_time() -> None:
    gate, looks = threading.Event(), itertools.count()
    engine = ScriptedEngine({"busy": lambda: gate.wait(30)})

    class Counting(Scheduler):
        def next_due(self) -> datetime | None:
            next(looks)
            return super().next_due()

    scheduler, stopping = Counting(), Stopping()
    pool = Workers(scheduler, engine, workers=1, beat=30.0)
    scheduler.add("busy", Ticks("busy", every(hours=1)), None)
    scheduler.add("other", Ticks("other", every(hours=1)), None)
    thread = threading.Thread(target=pool.serve, args=(stopping,))
    thread.start()
    eventually(lambda: engine.running == ["busy"])
    time.sleep(0.2)
    assert next(looks) <= 2
    gate.set()
    eventually(lambda: [job.source for job in engine.jobs] == ["busy", "other"])
    stopping.stop()
    scheduler.put(JobPayload(source="other"))
    pool._wake.set()  # noqa: SLF001 - not to wait for the beat
    thread.join(10)
    assert not thread.is_alive()


def test_a_source_that_waits_for_the_broker_lends_nothing() -> None:
    """Or an outage would start them all, each with a full buffer."""
    gate = threading.Event()
    engine = ScriptedEngine({"waiting": lambda: gate.wait(30)})
    scheduler = Scheduler()
    with serving(engine, scheduler, workers=1):
        scheduler.add("waiting", Ticks("waiting", every(hours=1)), None)
        scheduler.add("other", Ticks("other", every(hours=1)), None)
        eventually(lambda: engine.running == ["waiting"])
        engine.silences.clear()
        assert scheduler.take_due() is not None  # it is due, and was not taken
        gate.set()


def test_a_job_put_back_runs_again() -> None:
    tries: list[int] = []

    def away_twice() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise BrokerAwayError("no answer")

    engine = ScriptedEngine({"weather": away_twice})
    scheduler = Scheduler(now=hurried, jitter=lambda: 0.0)
    with serving(engine, scheduler, workers=1, now=hurried):
        scheduler.put(JobPayload(source="weather", job_id="j1"))
        eventually(lambda: len(tries) == 3)
    assert {job.job_id for job in engine.jobs} == {"j1"}


def test_limited_jobs_wait_for_their_time_and_all_run_in_the_end() -> None:
    """Three minutes of "2/minute", hurried."""
    limiter = RateLimiter({"weather": "2/minute"}, now=hurried, monotonic=lambda: 100 * time.monotonic())
    ran: list[tuple[str, datetime]] = []
    named: dict[str, datetime] = {}

    class Limited(ScriptedEngine):
        def run(self, job: JobPayload) -> RunReport | Requeued:
            wait = limiter.check_limit(job.source)
            if wait is not None:
                named[job.job_id] = wait.until
                return Requeued(wait.until, str(wait))
            ran.append((job.job_id, hurried()))
            return super().run(job)

    scheduler = Scheduler(now=hurried)
    with serving(Limited({}), scheduler, workers=2, now=hurried):
        for number in range(6):
            scheduler.put(JobPayload(source="weather", job_id=str(number)))
        eventually(lambda: len(ran) == 6)
    assert {job_id for job_id, _ in ran} == {str(number) for number in range(6)}
    assert all(at >= named[job_id] for job_id, at in ran if job_id in named)
    times = [at for _, at in ran]
    assert all(
        later - earlier >= timedelta(seconds=59) for earlier, later in zip(times, times[2:], strict=False)
    )


def test_liveness_is_the_loop_s_beat(clock: SettableClock) -> None:
    pool = Workers(Scheduler(), ScriptedEngine({}), workers=1, clock=clock)
    assert pool.alive() is None
    stopping = Stopping()
    thread = threading.Thread(target=pool.serve, args=(stopping,))
    thread.start()
    stopping.stop()
    thread.join(10)
    assert pool.alive() is None
    clock.forward(60)
    assert "has not looked for jobs for 60 s" in (pool.alive() or "")


def test_nothing_is_said_to_run_while_nobody_knows_whose_the_sources_are() -> None:
    ready, stopping, engine, scheduler = threading.Event(), Stopping(), ScriptedEngine({}), Scheduler()
    scheduler.add("news", Ticks("news", every(hours=1)), None)
    pool = Workers(scheduler, engine, workers=2, beat=0.01, ready=ready.is_set)
    thread = threading.Thread(target=pool.serve, args=(stopping,))
    thread.start()
    time.sleep(0.1)
    assert scheduler.statuses()["news"].state is State.SCHEDULED
    ready.set()
    eventually(lambda: len(engine.jobs) == 1)
    stopping.stop()
    thread.join(10)


def test_what_a_run_waits_for_in_the_midst_of_it_is_told_while_it_does() -> None:
    done = threading.Event()
    engine = ScriptedEngine({"weather": lambda: done.wait(10)})
    told: list[Status] = []
    scheduler = Scheduler(on_status=lambda source, status: told.append(status))
    scheduler.put(JobPayload(source="weather"))
    with serving(engine, scheduler, workers=1):
        eventually(lambda: bool(told) and told[-1].state is State.RUNNING)
        engine.waits["weather"] = "waiting until noon because of quota 3/hour"
        eventually(lambda: told[-1].waits == engine.waits.get("weather"))
        del engine.waits["weather"]
        eventually(lambda: told[-1].waits is None)
        done.set()
        eventually(lambda: told[-1].state is not State.RUNNING)
    running = [status for status in told if status.state is State.RUNNING]
    assert [status.waits for status in running] == [None, "waiting until noon because of quota 3/hour", None]
    assert len({status.since for status in running}) == 1
