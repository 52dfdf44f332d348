"""UpstreamLimits (P10): what the API says of its quotas holds, through crashes and changes of the owner."""

import pytest

from connectors.http import Quota
from producer.limits.learned import LearnedQuotas
from producer.limits.source import SourceBudget
from producer.limits.upstream import UpstreamLimits
from tests.unit.producer.limits_support import HOST, World, ask, spend


@pytest.fixture
def world() -> World:
    return World()


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
    assert refusal.seconds == pytest.approx(3000.0, abs=0.01)
    assert limits.check_run() == refusal
    world.seconds += 3000.01
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


def test_quotas_named_anew_in_each_answer_do_not_fill_the_memory(world: World) -> None:
    limits = world.limits()
    for number in range(2000):
        told(limits, Quota(f"request-{number}", 10_000, 600.0))
    assert limits.take(HOST) is None


@pytest.mark.parametrize("change", ["overtaken", "in doubt", "given up and got back"])
def test_who_owns_the_record_makes_nothing_forgotten_that_the_api_told(world: World, change: str) -> None:
    ours = world.limits(requests=["600/minute"])
    told(ours, Quota("hourly", 2, 3000.0))
    assert ours.take(HOST) is None  # and is under way from here on
    if change == "overtaken":
        assert ask(world.limits(requests=["600/minute"]))
        world.seconds += 6.0  # the block is void, the next write finds the other
    elif change == "in doubt":
        ours.doubt()
    else:
        ours.release()
    assert [ours.take(HOST) is None for _ in range(3)] == [True, False, False]


def test_what_a_former_owner_found_ends_no_earlier_than_what_is_known() -> None:
    learned = LearnedQuotas()
    learned.settle(HOST, [Quota("a", 0, 600.0), Quota("b", 0, 600.0), Quota("c", 9, 600.0)], 0.0)
    for name, reset_at in [("a", 300.0), ("b", 900.0), ("c", 300.0), ("d", 300.0)]:
        learned.restore(HOST, name, reset_at)
    assert sorted(learned.exhausted(0.0)) == [
        (300.0, HOST, "d"),
        (600.0, HOST, "a"),
        (600.0, HOST, "c"),
        (900.0, HOST, "b"),
    ]


def test_each_exhausted_quota_is_stored_whichever_ends_last(world: World) -> None:
    limits = world.limits()
    for host, seconds in [("api.a", 3600.0), ("files.b", 600.0)]:
        assert limits.take(host) is None
        limits.settle(host, [Quota("Retry-After", 0, seconds)])
    successor = world.limits()
    refusals = [successor.take("api.a"), successor.take("files.b")]
    assert [refusal and round(refusal.seconds) for refusal in refusals] == [3600, 600]


def test_a_quota_is_stored_again_when_it_ends_later_only(world: World) -> None:
    limits, lengths = world.limits(), []
    for host, seconds in [(HOST, 600.0), (HOST, 600.5), (HOST, 602.0), ("files.b", 0.9)]:
        limits.settle(host, [Quota("core", 0, seconds)])
        lengths.append(len(world.topic))
    assert lengths == [2, 2, 3, 3]
    # Any write tells of all of them.
    limits.release()
    limits.settle(HOST, [Quota("core", 0, 602.0)])
    written = len(world.topic)
    limits.settle(HOST, [Quota("core", 0, 602.0)])
    assert len(world.topic) == written


def test_a_quota_that_was_not_stored_without_a_broker_is_stored_by_the_next_answer(world: World) -> None:
    limits = world.limits()
    assert limits.take(HOST) is None
    assert limits.take("other.test") is None
    world.away = True
    limits.settle(HOST, [Quota("core", 0, 600.0)])
    world.away = False
    limits.settle("other.test")
    assert world.limits().take(HOST) is not None


def test_what_an_ownership_before_has_stored_is_not_counted_on(world: World) -> None:
    limits = world.limits()
    told(limits, Quota("core", 0, 600.0))
    limits.doubt()
    world.topic.clear()
    limits.settle("other.test")
    assert world.limits().take(HOST) is not None


def test_a_wait_because_others_want_the_record_too_says_so(world: World) -> None:
    def rival() -> None:
        ask(world.limits(requests=["600/minute"]))
        world.meanwhile.append(rival)

    world.meanwhile.append(rival)
    clocks = world.clocks()
    budget = SourceBudget(world.limits(requests=["600/minute"]), clocks.monotonic)
    refusal = budget.take(HOST)
    assert refusal is not None
    assert refusal.until > clocks.now()
    assert "several processes want it at once" in str(budget.waiting())


def test_a_refusal_because_others_want_the_record_begins_when_it_is_given(world: World) -> None:
    """Six turns take longer than it lasts."""

    def rival() -> None:
        ask(world.limits(runs=["600/minute"], requests=["600/minute"]))
        world.seconds += 3.0
        world.meanwhile.append(rival)

    world.meanwhile.append(rival)
    refusal = world.limits(runs=["600/minute"]).check_run()
    assert refusal is not None
    assert refusal.until > world.clocks().now()
    assert refusal.seconds == pytest.approx(1.0, abs=0.002)
