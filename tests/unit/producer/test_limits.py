"""UpstreamLimits (P10): crashes, hand-over and wrong clocks open no window; what the API says holds too."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.http import Quota
from producer.errors import BrokerAwayError
from producer.limits.upstream import UpstreamLimits
from tests.unit.producer.limits_support import HOST, World, fullest


def ask(limits: UpstreamLimits) -> bool:
    """One request, answered at once."""
    refusal = limits.take(HOST)
    if refusal is None:
        limits.settle(HOST)
    return refusal is None


def spend(limits: UpstreamLimits, most: int = 10_000) -> int:
    """Requests until the first refusal."""
    return next((count for count in range(most) if not ask(limits)), most)


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
    assert (again - world.clocks().now()).total_seconds() == pytest.approx(3000.0, abs=601.0)
    assert (
        str(limits.waiting()) == f"waiting until {again:%Y-%m-%dT%H:%M:%SZ} because of quota 2/hour of prices"
    )


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


def told(limits: UpstreamLimits, *quotas: Quota) -> None:
    assert limits.take(HOST) is None
    limits.settle(HOST, quotas)


def test_what_the_api_says_is_left_holds_until_the_reset(world: World) -> None:
    limits = world.limits()
    told(limits, Quota("daily", 3, 600.0))
    assert spend(limits) == 3
    refusal = limits.take(HOST)
    assert refusal is not None
    assert refusal.quota == "daily of api.test"
    assert refusal.seconds == pytest.approx(600.0)
    assert limits.take("other.test") is None  # another host has quotas of its own
    world.seconds += 600.0
    assert spend(limits, 50) == 50


def test_requests_under_way_may_not_be_in_what_it_says(world: World) -> None:
    limits = world.limits()
    assert limits.take(HOST) is None
    assert limits.take(HOST) is None
    limits.settle(HOST, [Quota("daily", 1, 600.0)])
    assert limits.take(HOST) is not None


def test_requests_of_one_quota_do_not_use_up_another(world: World) -> None:
    """GitHub names the one that counted: core or search."""
    limits = world.limits()
    told(limits, Quota("search", 3, 60.0))
    for left in range(100, 0, -1):
        told(limits, Quota("core", left, 3600.0))
    told(limits, Quota("search", 0, 50.0))
    refusal = limits.take(HOST)
    assert refusal is not None
    assert refusal.quota == "search of api.test"


def test_answers_that_tell_nothing_count_against_all(world: World) -> None:
    limits = world.limits()
    told(limits, Quota("search", 3, 60.0))
    assert spend(limits) == 3


def test_an_exhausted_quota_outlives_the_process(world: World) -> None:
    told(world.limits(), Quota("Retry-After", 0, 3600.0))
    world.seconds += 600.0
    limits = world.limits()
    refusal = limits.take(HOST)
    assert refusal is not None
    assert refusal.seconds == pytest.approx(3000.0)
    assert limits.check_run() == refusal.until
    world.seconds += 3000.0
    assert limits.check_run() is None
    assert ask(limits)


@pytest.mark.parametrize("off", [1e9, -1e9])
def test_an_exhausted_quota_never_blocks_for_years(world: World, off: float) -> None:
    told(world.limits(), Quota("Retry-After", 0, 9e9))
    world.wall_off = off
    world.move("machine-2")
    for _ in range(24):
        world.seconds += 3601.0
        assert off > 0 or not ask(world.limits())  # and each time it crashes
    world.seconds += 3601.0
    assert ask(world.limits())


def test_a_short_quota_does_not_keep_a_run_from_starting(world: World) -> None:
    limits = world.limits(["10/hour"], ["2/minute"])
    assert spend(limits) == 2
    assert limits.check_run() is None


def test_waiting_is_visible_until_it_is_over(world: World) -> None:
    limits = world.limits(requests=["2/minute"])
    assert limits.waiting() is None
    assert spend(limits) == 2
    waits = limits.waiting()
    assert waits is not None
    assert (waits.quota, waits.upstream) == ("2/minute of prices", "prices")
    assert (waits.until - world.clocks().now()).total_seconds() == pytest.approx(60.0)
    world.seconds += 61.0
    assert limits.waiting() is None


def test_a_quota_found_exhausted_by_an_answer_is_visible_at_once(world: World) -> None:
    limits = world.limits()
    told(limits, Quota("core", 0, 300.0))
    assert str(limits.waiting()) == "waiting until 2026-01-01T12:21:40Z because of quota core of api.test"


def test_quotas_named_anew_in_each_answer_do_not_fill_the_memory(world: World) -> None:
    limits = world.limits()
    for number in range(2000):
        told(limits, Quota(f"request-{number}", 10_000, 600.0))
    assert limits.take(HOST) is None


def test_a_record_stays_small_and_keeps_the_count(world: World) -> None:
    limits = world.limits(requests=["2000/hour"])
    for _ in range(1900):
        assert ask(limits)
        world.seconds += 1.0
    (text,) = (text for text, _ in world.newest().values())
    assert len(text) < 4000
    assert spend(world.limits(requests=["2000/hour"])) <= 100
