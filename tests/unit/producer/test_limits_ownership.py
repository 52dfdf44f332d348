"""KafkaOwnership: who was announced later is always noticed, and the topic is read for that only."""

from functools import partial
from typing import Any

import pytest

from producer.limits.store import KafkaOwnership, LimitsStore
from producer.limits.upstream import UpstreamLimits
from producer.limits.windows import BLOCK_SECONDS
from producer.limits.written import REMEMBERED, Written
from tests.unit.producer.limits_support import HOST, MemoryStore, World, ask, fullest, spend

MOCK: dict[str, Any] = {"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0}


@pytest.fixture
def world() -> World:
    return World()


def test_who_is_deleted_while_it_reads_was_overtaken(world: World) -> None:
    store = MemoryStore(world)
    ownership = KafkaOwnership(store, "prices", 0)

    def deleted() -> None:
        store.produce(0, world.topic[0].key(), None)

    world.meanwhile.append(deleted)
    ownership.load(world.clocks().stamped())
    assert ownership.overtaken


def test_who_is_taken_over_while_it_reads_uses_nothing_beside_the_other(world: World) -> None:
    ours, theirs = world.limits(requests=["400/minute"]), world.limits(requests=["400/minute"])
    used = 0

    def use(times: int) -> None:
        nonlocal used
        used += sum(ask(theirs) for _ in range(times))

    world.meanwhile.append(partial(use, 1))
    # Behind their reading, in which ours is taken over and deleted, and behind ours, which meets that.
    world.unseen += [partial(use, 39), lambda: None]
    used += spend(ours)
    used += spend(theirs)
    assert 350 < used <= 400


def test_a_broker_that_tells_milliseconds_makes_nothing_older_than_it_is(world: World) -> None:
    ours, theirs = (KafkaOwnership(MemoryStore(world), "prices", 0) for _ in range(2))
    world.seconds = 1000.0009
    ours.load(world.clocks().stamped())
    world.seconds = 1001.0001
    (found,) = theirs.load(world.clocks().stamped())
    assert found.broker_seconds is not None
    assert 0.99 < found.broker_seconds < 0.9992


@pytest.mark.parametrize("tells", [True, False])
def test_two_processes_share_a_limit_whether_the_broker_tells_offsets_or_not(
    world: World, tells: bool
) -> None:
    world.tells_offsets = tells
    ours, theirs = world.limits(requests=["19/hour"]), world.limits(requests=["19/hour"])
    used = 0
    for _ in range(20):
        for limits in (ours, theirs):
            used += ask(limits)
            world.seconds += BLOCK_SECONDS
    assert used == 19


def test_a_process_reads_nothing_of_what_it_wrote_for_its_other_upstreams(world: World) -> None:
    store = MemoryStore(world)
    names = ("a", "b", "c", "d")
    limits = [world.limits(requests=["60/minute"], upstream=name, store=store) for name in names]
    for _ in range(60):
        for each in limits:
            ask(each)
        world.seconds += 1.0
    assert len(world.topic) > 60
    assert store.reads == len(limits)


def test_an_upstream_that_two_owners_of_one_process_ask_is_read(world: World) -> None:
    store, used = MemoryStore(world), 0
    ours, theirs = (world.limits(requests=["10/hour"], store=store) for _ in range(2))
    for _ in range(10):
        for limits in (ours, theirs):
            used += ask(limits)
            world.seconds += BLOCK_SECONDS
    assert used == 10


def test_what_another_process_wrote_between_is_met(world: World) -> None:
    store = MemoryStore(world)
    ours, other = (
        world.limits(requests=["10/hour"], upstream=name, store=store) for name in ("prices", "other")
    )
    theirs, used = world.limits(requests=["10/hour"]), 0
    for _ in range(10):
        for limits in (ours, theirs):
            used += ask(limits)
            ask(other)
            world.seconds += BLOCK_SECONDS
    assert used == 10


def test_a_reservation_that_was_acknowledged_too_late_is_not_used(world: World) -> None:
    ours, theirs = world.limits(requests=["2/second"]), world.limits(requests=["2/second"])
    sent: list[float] = []

    def send(limits: UpstreamLimits) -> bool:
        if granted := ask(limits):
            sent.append(world.seconds)
        return granted

    def others_go_on() -> None:
        world.seconds += BLOCK_SECONDS + 1.0
        send(theirs)
        world.seconds += BLOCK_SECONDS / 2
        assert send(theirs)
        assert send(theirs)

    assert send(ours)
    world.seconds += BLOCK_SECONDS + 1.0
    world.meanwhile.append(others_go_on)
    send(ours)
    assert fullest(sent, 1.0) == 2


@pytest.mark.parametrize(("late", "granted"), [(-0.01, True), (0.0, False)])
def test_a_block_is_good_for_as_long_as_others_count_it(world: World, late: float, granted: bool) -> None:
    limits = world.limits(requests=["10/hour"])
    assert ask(limits)
    world.seconds += BLOCK_SECONDS
    topic = len(world.topic)
    world.meanwhile.append(partial(world.pass_by, BLOCK_SECONDS + late))
    refusal = limits.take(HOST)
    assert (refusal is None) == granted
    if refusal is not None:
        assert "longer than 5 s" in refusal.quota
        assert refusal.seconds == 1.0
    # Once, and not again and again while everybody else waits for the lock.
    assert len(world.topic) == topic + 1
    assert ask(limits)


def test_offsets_are_remembered_with_their_keys() -> None:
    written = Written()
    for offset, key in [(5, b"a/1"), (6, b"b/1"), (7, b"a/2")]:
        written.add(0, offset, key)
    assert written.for_others(0, 6, 7, b"a/")
    assert written.for_others(0, 5, 8, b"c/")
    assert written.for_others(0, 9, 9, b"a/")
    assert written.for_others(1, 0, 0, b"a/")
    assert not written.for_others(0, 5, 7, b"a/")
    assert not written.for_others(0, 4, 6, b"c/")
    assert not written.for_others(0, 7, 9, b"c/")
    assert not written.for_others(1, 5, 8, b"c/")
    assert not written.for_others(0, 8, 7, b"c/")


def test_reports_of_two_threads_may_cross() -> None:
    written = Written()
    for offset in (5, 7, 6, 8):
        written.add(0, offset, b"a/1")
    assert written.for_others(0, 5, 9, b"b/")


def test_offsets_of_a_topic_that_was_made_anew_are_others() -> None:
    written = Written()
    for offset in (0, 1, 2, 1):
        written.add(0, offset, b"a/1")
    assert written.for_others(0, 1, 2, b"b/")
    assert not written.for_others(0, 0, 1, b"b/")
    assert not written.for_others(0, 2, 3, b"b/")


def test_as_many_offsets_are_remembered_as_are_worth_it() -> None:
    written = Written()
    for offset in range(REMEMBERED + 1):
        written.add(0, offset, b"a/1")
    assert written.for_others(0, 1, REMEMBERED + 1, b"b/")
    assert not written.for_others(0, 0, 2, b"b/")


def test_the_store_remembers_what_was_acknowledged() -> None:
    with LimitsStore(MOCK, {}, "limits", lambda: 4) as store:
        offset = store.produce(3, b"prices/1", b"{}")
        assert offset == 0
        assert store.produce(3, b"prices/1", None) == 1
        assert store.written.for_others(3, 0, 2, b"other/")
        assert not store.written.for_others(3, 0, 2, b"prices/")
