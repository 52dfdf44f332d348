"""UpstreamLimits (P10): crashes, hand-over and wrong clocks open no window."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.errors import BrokerAwayError
from tests.unit.producer.limits_support import HOST, World, ask, fullest, spend


@pytest.fixture
def world() -> World:
    return World()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.floats(0, 3), st.floats(0, 1)),
        st.tuples(st.just("rest"), st.floats(0, 40), st.just(0.0)),
        st.tuples(st.sampled_from(["crash", "crash under way", "leave", "move"]), st.just(0.0), st.just(0.0)),
        st.tuples(st.just("clock"), st.floats(-1e6, 1e6), st.just(0.0)),
    ),
    max_size=120,
)


@settings(max_examples=300, deadline=None)
@given(
    STEPS,
    st.lists(st.sampled_from(["2/second", "20/minute", "90/minute", "70/hour"]), min_size=1, unique=True),
    st.sampled_from(["wall", "broker"]),
)
def test_no_window_ever_holds_more_than_its_limit(
    steps: list[tuple[str, float, float]], declared: list[str], wrong: str
) -> None:
    """Each request reaches the upstream at some moment between its being taken and its answer.

    One clock goes wrong, again and again: the least that the others say counts.
    """
    world = World()
    limits = world.limits(requests=declared)
    sent: list[float] = []
    for kind, seconds, part in steps:
        if kind == "ask":
            if limits.take(HOST) is None:
                sent.append(world.seconds + part * seconds)
                world.seconds += seconds
                limits.settle(HOST)
        elif kind == "rest":
            world.seconds += seconds
        elif kind == "clock":
            setattr(world, f"{wrong}_off", seconds)
        else:
            if kind == "crash under way" and limits.take(HOST) is None:
                sent.append(world.seconds)
            if kind == "leave":
                limits.release()
            if kind == "move":
                world.move(f"machine-{world.seconds}")
            limits = world.limits(requests=declared)
    for text in declared:
        count, unit = text.split("/")
        seconds = {"second": 1, "minute": 60, "hour": 3600}[unit]
        assert fullest(sent, seconds) <= int(count)


def test_a_crash_loop_is_no_request_storm(world: World) -> None:
    sent = []
    for _ in range(200):
        limits = world.limits(requests=["60/minute"])
        if limits.take(HOST) is None:
            sent.append(world.seconds)
        world.seconds += 0.5  # and it crashes
    assert fullest(sent, 60) <= 60
    assert 0 < len(sent) <= 100


def test_a_crash_costs_a_block_and_no_more(world: World) -> None:
    limits = world.limits(requests=["100/hour"])
    assert spend(limits, 7) == 7
    assert len(world.topic) == 1 + 2  # announced, and two blocks of five
    world.seconds += 60.0
    assert spend(world.limits(requests=["100/hour"])) == 90


def test_a_request_counts_while_it_is_under_way_and_a_window_after_its_answer(world: World) -> None:
    limits = world.limits(requests=["2/minute"])
    assert limits.take(HOST) is None
    assert limits.take(HOST) is None
    world.seconds += 90.0
    assert limits.take(HOST) is not None
    limits.settle(HOST)
    world.seconds += 59.0
    assert limits.take(HOST) is not None
    world.seconds += 1.0
    assert limits.take(HOST) is None


def test_requests_under_way_at_a_crash_count_as_used(world: World) -> None:
    limits = world.limits(requests=["4/hour"])
    assert limits.take(HOST) is None
    assert limits.take(HOST) is None
    assert spend(world.limits(requests=["4/hour"])) == 2


def test_an_orderly_end_costs_nothing(world: World) -> None:
    limits = world.limits(requests=["100/hour"])
    assert spend(limits, 7) == 7
    limits.release()
    assert spend(world.limits(requests=["100/hour"])) == 93


def test_the_same_process_may_own_it_again(world: World) -> None:
    limits = world.limits(requests=["10/hour"])
    assert spend(limits, 4) == 4
    limits.release()
    other = world.limits(requests=["10/hour"])
    assert spend(other, 3) == 3
    other.release()
    limits.acquire()
    assert spend(limits) == 3
    assert len(world.newest()) == 1  # what was taken over is deleted


def test_what_another_process_has_used_during_a_doubt_counts(world: World) -> None:
    ours, used = world.limits(requests=["10/hour"]), 0
    for _ in range(3):
        assert ours.take(HOST) is None
        ours.settle(HOST)
    theirs = world.limits(requests=["10/hour"])
    for limits in (theirs, ours):
        while limits.take(HOST) is None:
            limits.settle(HOST)
            used += 1
        theirs.release()
        ours.doubt()
    assert 3 + used <= 10


@pytest.mark.parametrize("off", [365 * 86400.0, -365 * 86400.0])
@pytest.mark.parametrize("moved", [False, True])
def test_a_wall_clock_set_wrong_opens_nothing_and_blocks_for_a_window_at_most(
    world: World, off: float, moved: bool
) -> None:
    assert spend(world.limits(requests=["10/hour"])) == 10
    world.seconds += 1800.0
    world.wall_off = off
    if moved:
        world.move("machine-2")
    limits = world.limits(requests=["10/hour"])
    assert not ask(limits)
    world.seconds += 1801.0 if off > 0 else 3601.0
    assert ask(limits)


def test_a_broker_whose_clock_is_wrong_opens_nothing(world: World) -> None:
    assert spend(world.limits(requests=["10/hour"])) == 10
    world.broker_off = 1e7
    world.move("machine-2")
    assert not ask(world.limits(requests=["10/hour"]))


def test_a_late_write_of_a_former_owner_hides_nothing(world: World) -> None:
    zombie = world.limits(requests=["20/hour"])
    assert ask(zombie)
    owner = world.limits(requests=["20/hour"])
    assert spend(owner, 10) == 10
    assert ask(zombie)  # suspended before, and nobody asked its lease
    assert spend(world.limits(requests=["20/hour"])) <= 8


def test_runs_are_counted_over_restarts(world: World) -> None:
    assert world.limits(runs=["2/hour"]).check_run() is None
    world.seconds += 600.0
    assert world.limits(runs=["2/hour"]).check_run() is None
    world.seconds += 600.0
    limits = world.limits(runs=["2/hour"])
    again = limits.check_run()
    assert again is not None
    assert again.seconds == pytest.approx(3000.0, abs=601.0)
    assert again.until == world.clocks().now() + timedelta(seconds=again.seconds)
    assert again.quota == "2/hour of prices"


def test_without_a_broker_nothing_is_taken_and_the_wait_is_short(world: World) -> None:
    limits = world.limits(["9/hour"], ["10/hour"])
    world.away = True
    refusal = limits.take(HOST)
    assert refusal is not None
    assert refusal.seconds == 1.0
    assert "no broker" in refusal.quota
    with pytest.raises(BrokerAwayError):
        limits.check_run()
    world.away = False
    assert spend(limits) == 10


def test_restarts_that_are_refused_do_not_put_the_next_run_off_for_ever(world: World) -> None:
    assert world.limits(["1/day"]).check_run() is None
    ran = [world.seconds]
    while len(ran) < 3:
        world.seconds += 3600.0
        if world.limits(["1/day"]).check_run() is None:
            ran.append(world.seconds)
        assert world.seconds < 1000.0 + 3 * 90_000.0
    assert fullest(ran, 86_400) == 1


def test_an_upstream_without_limits_writes_nothing_but_its_place(world: World) -> None:
    limits = world.limits()
    assert spend(limits, 500) == 500
    assert len(world.topic) == 1


def test_a_record_stays_small_and_keeps_the_count(world: World) -> None:
    limits = world.limits(requests=["2000/hour"])
    for _ in range(1900):
        assert ask(limits)
        world.seconds += 1.0
    (value,) = world.newest().values()
    assert len(value) < 4000
    assert spend(world.limits(requests=["2000/hour"])) <= 100
