"""How slices end: by an error, by being stopped, by a generator that does as it likes."""

import itertools
import sys
import threading
from collections.abc import Iterator

import httpx
import pytest
import structlog

from connectors import resilient_request
from producer.errors import SourceError
from tests.unit.producer.support import eventually, everything, slices_of, take_all


def test_a_slice_that_is_being_prepared_when_the_run_is_stopped_still_comes() -> None:
    inside, held = threading.Event(), threading.Event()

    def prepare(part: list[int]) -> list[int]:
        inside.set()
        held.wait(10)
        return part

    with slices_of(itertools.count, prepare=prepare) as slices:
        assert inside.wait(10)
        slices.stop()
        assert slices.take(0.0) is None
        assert not slices.finished
        held.set()
        assert everything(slices) == [list(range(10))]


@pytest.mark.parametrize("full", [True, False])
def test_a_validator_that_calls_sys_exit_fails_its_source_with_words_and_nothing_behind_it_comes(
    full: bool,
) -> None:
    def prepare(part: list[int]) -> list[int]:
        if part[-1] >= 5:
            sys.exit("goodbye")
        return part

    taken: list[int] = []
    with (
        slices_of(lambda: range(20), prepare=prepare, max_items=5 if full else 1000) as slices,
        pytest.raises(SourceError, match="goodbye"),
    ):
        take_all(slices, taken)
    assert taken == ([0, 1, 2, 3, 4] if full else [])


def test_a_run_stopped_before_it_begins_asks_the_source_for_nothing() -> None:
    opened: list[int] = []
    slices = slices_of(lambda: opened)
    slices.stop()
    with slices:
        assert everything(slices) == []
        assert slices.join(10)


@pytest.mark.parametrize(
    "error",
    [ValueError("half a page"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration(1)],
)
def test_whatever_ends_the_generator_comes_out_after_all_items(error: BaseException) -> None:
    def items() -> Iterator[int]:
        yield from range(15)
        raise error

    taken: list[int] = []
    with slices_of(items) as slices, pytest.raises(SourceError) as caught:
        take_all(slices, taken)
    assert taken == list(range(15))
    assert type(error).__name__ in str(caught.value) or isinstance(error, StopIteration)
    assert slices.finished


def test_sys_exit_in_a_connector_is_its_error_alone() -> None:
    def items() -> Iterator[int]:
        yield 1
        sys.exit("goodbye")

    with slices_of(items) as slices, pytest.raises(SourceError, match="goodbye"):
        take_all(slices, [])


def test_stop_closes_the_generator_at_its_next_item_and_keeps_what_is_buffered() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            closed.set()

    with slices_of(items) as slices:
        eventually(lambda: bool(slices._ready))  # noqa: SLF001
        slices.stop()
        assert slices.take(10.0) == list(range(10))
        assert slices.finished
        assert slices.join(10.0)
    assert closed.is_set()


def test_a_generator_that_ignores_its_closing_harms_nobody() -> None:
    def items() -> Iterator[int]:
        while True:
            try:
                yield 1
            except GeneratorExit:
                yield 2

    with structlog.testing.capture_logs() as logs, slices_of(items) as slices:
        eventually(lambda: bool(slices._ready))  # noqa: SLF001
        slices.stop()
        assert slices.join(10.0)
        slices.take(1.0)
        assert slices.finished
    assert [line["event"] for line in logs] == ["source_raised_while_stopping"]


def test_a_generator_that_never_comes_back_is_left_behind() -> None:
    forever = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        forever.wait()

    with slices_of(items) as slices:
        eventually(lambda: bool(slices._buffer))  # noqa: SLF001
        slices.stop()
        assert slices.take(1.0) == [1]
        assert slices.finished
        assert not slices.join(0.01)
        assert slices._thread.daemon  # noqa: SLF001 - it does not keep the process alive
    forever.set()
    assert slices.join(10.0)


def test_a_wait_for_a_retry_ends_when_the_run_has_to() -> None:
    waiting = threading.Event()

    @resilient_request(attempts=10)
    def fetch() -> None:
        waiting.set()
        raise httpx.ConnectError("nobody is there")

    def items() -> Iterator[int]:
        yield 1
        fetch()

    with slices_of(items) as slices:
        assert waiting.wait(10)
        slices.stop()
        assert everything(slices) == [[1]]
        assert slices.join(5), "the thread did not wait out the pause before the next attempt"
