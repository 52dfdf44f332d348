"""Slices: bounded by count and age, prepared in order, held back when nobody takes them."""

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from tests.unit.producer.support import SettableClock, eventually, everything, slices_of, take_all


def test_items_come_in_order_in_slices_of_at_most_the_bound() -> None:
    with slices_of(lambda: iter(range(25))) as slices:
        parts = everything(slices)
    assert [item for part in parts for item in part] == list(range(25))
    assert max(map(len, parts)) <= 10


@pytest.mark.parametrize("max_items", [1, 2, 7, 1000])
@pytest.mark.parametrize("max_seconds", [0.0, 0.0001, 3600.0])
@pytest.mark.parametrize("ahead", [1, 3])
def test_no_item_is_lost_doubled_or_moved_however_slices_are_cut(
    max_items: int, max_seconds: float, ahead: int
) -> None:
    for _ in range(5):
        with slices_of(
            lambda: iter(range(2000)), max_items=max_items, max_seconds=max_seconds, ahead=ahead
        ) as slices:
            parts = everything(slices)
        assert [item for part in parts for item in part] == list(range(2000))
        assert max(map(len, parts)) <= max_items


def test_a_waiting_taker_is_woken_by_each_item_of_a_slow_source() -> None:
    turn = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(200):
            turn.acquire()
            yield number

    taken: list[int] = []
    with slices_of(items, max_items=1000, max_seconds=0.0) as slices:
        for number in range(200):
            turn.release()
            assert slices.take(10.0) == [number]
            taken.append(number)
        assert everything(slices) == []
    assert taken == list(range(200))


def test_a_source_without_items_has_no_slices() -> None:
    with slices_of(list) as slices:
        assert everything(slices) == []


def test_a_slow_source_does_not_wait_for_a_full_slice() -> None:
    clock, gate = SettableClock(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        gate.wait(10)
        yield 2

    with slices_of(items, max_seconds=5.0, clock=clock) as slices:
        eventually(lambda: bool(slices._buffer))  # noqa: SLF001 - the item has come, nobody has taken it
        clock.forward(5.0)
        assert slices.take(0.0) == [1]
        assert slices.take(0.0) is None
        gate.set()
        eventually(lambda: not slices._thread.is_alive())  # noqa: SLF001
        assert slices.take(10.0) == [2]


def test_a_slice_younger_than_its_age_waits() -> None:
    clock, gate = SettableClock(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        gate.wait(10)

    with slices_of(items, max_seconds=5.0, clock=clock) as slices:
        eventually(lambda: bool(slices._buffer))  # noqa: SLF001
        clock.forward(4.9)
        assert slices.take(0.0) is None
        gate.set()


@pytest.mark.parametrize("ahead", [1, 3])
def test_the_generator_stands_still_while_nobody_takes(ahead: int) -> None:
    counter = itertools.count()
    with slices_of(lambda: counter, ahead=ahead) as slices:
        eventually(lambda: len(slices._ready) == ahead)  # noqa: SLF001
        # It must not fetch further, however long nobody takes.
        seen = {repr(counter) for _ in range(100)}
        assert seen == {f"count({10 * ahead})"}
        slices.stop()


def test_full_slices_are_prepared_where_they_were_extracted_and_partial_ones_do_not_overtake_them() -> None:
    threads, held = [], threading.Event()

    def prepare(part: list[int]) -> list[int]:
        threads.append(threading.current_thread().name)
        if part[0] == 0:
            held.wait(10)
        return part

    with slices_of(lambda: iter(range(15)), prepare=prepare, max_seconds=0.0) as slices:
        eventually(lambda: bool(threads))
        # It is on its way: what comes after it has to wait, however old.
        assert slices.take(0.0) is None
        assert not slices.finished
        held.set()
        assert [item for part in everything(slices) for item in part] == list(range(15))
    assert threads[0] == "extract-source"


def test_a_full_slice_is_prepared_only_after_an_older_one_that_was_taken_unfilled() -> None:
    """Validators are an author's code, which need not be made for two threads at once."""
    inside, held = threading.Event(), threading.Event()
    order: list[tuple[str, int]] = []

    def items() -> Iterator[int]:
        yield 0
        inside.wait(10)
        yield from range(1, 10)

    def prepare(part: list[int]) -> list[int]:
        order.append(("begin", part[0]))
        if part[0] == 0:
            inside.set()
            held.wait(10)
        order.append(("end", part[0]))
        return part

    taken: list[int] = []
    with slices_of(items, prepare=prepare, max_seconds=0.0) as slices:
        taker = threading.Thread(target=take_all, args=(slices, taken))
        taker.start()
        assert inside.wait(10)
        eventually(lambda: slices._preparing)  # noqa: SLF001 - the generator's thread has a full slice
        time.sleep(0.05)
        assert order == [("begin", 0)]
        held.set()
        taker.join(10)
    assert taken == list(range(10))
    assert order == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]


def test_a_hanging_validator_counts_as_silence() -> None:
    clock, inside, held = SettableClock(), threading.Event(), threading.Event()

    def prepare(part: list[int]) -> list[int]:
        inside.set()
        held.wait(10)
        return part

    with slices_of(lambda: [1], prepare=prepare, max_seconds=0.0, clock=clock) as slices:
        taken: list[int] = []
        taker = threading.Thread(target=take_all, args=(slices, taken))
        taker.start()
        assert inside.wait(10)
        clock.forward(40.0)
        assert slices.silent_for() == 40.0
        held.set()
        taker.join(10)
    assert taken == [1]


def test_a_list_is_as_good_as_a_generator() -> None:
    with slices_of(lambda: [1, 2, 3]) as slices:
        assert everything(slices) == [[1, 2, 3]]


def test_silence_is_measured_only_while_a_slice_is_wanted() -> None:
    clock, gate = SettableClock(), threading.Event()

    def items() -> Iterator[int]:
        gate.wait(10)
        yield 1

    with slices_of(items, max_items=1, max_seconds=1.0, clock=clock) as slices:
        assert slices.silent_for() is None
        assert slices.take(0.0) is None
        clock.forward(40.0)
        assert slices.take(0.0) is None
        assert slices.silent_for() == 40.0
        gate.set()
        eventually(lambda: bool(slices._ready))  # noqa: SLF001
        assert slices.take(0.0) == [1]
        assert slices.silent_for() is None
