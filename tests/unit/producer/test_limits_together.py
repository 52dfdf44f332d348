"""UpstreamLimits (P10): `ingest run` beside a daemon, both alive, together keep what one of them may use."""

from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.http import Quota
from producer.limits.upstream import UpstreamLimits
from producer.limits.windows import BLOCK_SECONDS
from tests.unit.producer.limits_support import HOST, MemoryStore, World, ask, fullest

LIMITS = ["2/second", "20/minute", "90/minute", "7/hour"]
WHO = st.sampled_from([0, 1, 2])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), WHO, st.floats(0, 3)),
        st.tuples(st.sampled_from(["meanwhile", "unseen"]), WHO, st.floats(0, 0.5)),
        st.tuples(st.just("slow"), WHO, st.floats(0, 8)),
        st.tuples(st.sampled_from(["crash", "leave", "quota", "beside"]), WHO, st.floats(0, 40)),
    ),
    min_size=40,
    max_size=120,
)


class Process:
    """Two upstreams behind one store: both keep their records in the same partition."""

    def __init__(self, world: World, requests: Sequence[str]) -> None:
        store = MemoryStore(world)
        self.limits = world.limits(requests=requests, store=store)
        self.others = world.limits(requests=["2/second"], upstream="other", store=store)


@pytest.fixture
def world() -> World:
    return World()


def ran(limits: UpstreamLimits) -> bool:
    return limits.check_run() is None


@settings(max_examples=600, deadline=None)
@given(STEPS, st.lists(st.sampled_from(LIMITS), min_size=1, unique=True))
def test_no_window_holds_more_than_its_limit_though_several_ask(
    steps: list[tuple[str, int, float]], declared: list[str]
) -> None:
    """They interrupt each other behind any record and any reading; acknowledgements may take their time."""
    world = World()
    processes = [Process(world, declared) for _ in range(3)]
    busy: set[int] = set()
    sent: list[float] = []

    def act(kind: str, who: int, seconds: float) -> None:
        if who in busy:
            return
        busy.add(who)
        limits = processes[who].limits
        match kind:
            case "beside":
                ask(processes[who].others)
            case "quota":
                limits.settle(HOST, [Quota("core", 0, seconds)])
            case "leave":
                limits.release()
            case "crash":
                processes[who] = Process(world, declared)
            case _:
                if limits.take(HOST) is None:
                    sent.append(world.seconds)
                    world.seconds += seconds
                    limits.settle(HOST)
        busy.discard(who)

    for kind, who, seconds in steps:
        world.seconds += 0.01
        if kind == "slow":
            world.meanwhile.append(partial(world.pass_by, seconds))
        elif kind in ("meanwhile", "unseen"):
            hooks = world.meanwhile if kind == "meanwhile" else world.unseen
            hooks.append(partial(act, "ask", who, seconds))
        else:
            act(kind, who, seconds)
        if kind in ("crash", "leave"):
            world.seconds += seconds
    for limit in declared:
        count, _, window = limit.partition("/")
        assert fullest(sent, {"second": 1.0, "minute": 60.0, "hour": 3600.0}[window]) <= int(count)


def test_runs_of_a_daemon_and_beside_it_share_a_limit(world: World) -> None:
    daemon = world.limits(runs=["4/hour"])
    assert ran(daemon)
    for _ in range(3):
        beside = world.limits(runs=["4/hour"])
        world.seconds += 10.0
        assert ran(beside)
        beside.release()
        world.seconds += 10.0
    assert not ran(daemon)


def test_no_use_is_counted_twice(world: World) -> None:
    """Each takes the count over from the other, and writes its own again."""
    daemon, used = world.limits(requests=["19/minute"]), 0
    for _ in range(5):
        used += ask(daemon)
        world.seconds += BLOCK_SECONDS
        beside = world.limits(requests=["19/minute"])
        used += ask(beside)
        beside.release()
        world.seconds += BLOCK_SECONDS
    daemon.release()
    assert used == 10
    successor = world.limits(requests=["19/minute"])
    assert sum(ask(successor) for _ in range(19)) == 9


def test_what_a_living_process_has_reserved_may_be_used_until_it_is_void(world: World) -> None:
    daemon = world.limits(requests=["2/second"])
    assert ask(daemon)
    beside = world.limits(requests=["2/second"])
    assert not ask(beside)
    world.seconds += BLOCK_SECONDS - 0.1
    assert ask(daemon)
    assert ask(daemon)
    assert not ask(beside)
    # Nor does a third forget it, who only knows what the second has written.
    assert not ask(world.limits(requests=["2/second"]))
    world.seconds += 1.2
    assert ask(beside)
    assert ask(beside)
    assert not ask(daemon)


def test_a_quota_found_exhausted_by_one_that_was_overtaken_is_known_to_the_next(world: World) -> None:
    daemon = world.limits(requests=["60/minute"])
    assert daemon.take(HOST) is None
    beside = world.limits(requests=["60/minute"])
    assert ask(beside)
    daemon.settle(HOST, [Quota("core", 0, 1800.0)])
    assert beside.take(HOST) is None
    refusal = world.limits(requests=["60/minute"]).take(HOST)
    assert refusal is not None
    assert refusal.quota == "core of api.test"


def test_who_finds_a_newer_owner_while_it_loads_takes_nothing_from_it(world: World) -> None:
    ours, theirs, used = world.limits(requests=["19/minute"]), world.limits(requests=["19/minute"]), 0

    def use(times: int) -> None:
        nonlocal used
        used += sum(ask(theirs) for _ in range(times))

    def announced() -> None:
        use(1)
        world.meanwhile.append(partial(use, 6))

    world.meanwhile.append(announced)
    used += sum(ask(ours) for _ in range(4))
    used += sum(ask(world.limits(requests=["19/minute"])) for _ in range(19))
    assert 11 <= used <= 19
