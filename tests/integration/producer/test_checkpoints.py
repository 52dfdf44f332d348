"""Cursors that connectors move themselves, and lookback: nothing is left out, nothing is there twice."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from connectors import Checkpoint
from producer.errors import CursorError, SourceError
from producer.publisher import Closing, Publisher
from producer.slices import Slices
from runtime.settings import Settings
from schemas.records import JobPayload
from tests.integration.producer.support import NOON, ids, reading, records, run, stored, yielding


def moment(number: int) -> Any:
    return NOON + timedelta(seconds=number)


def failing_run(settings: Settings, items: Any, **declared: Any) -> None:
    with pytest.raises(SourceError):
        run(settings, yielding(items, **declared))


def test_an_unordered_source_says_how_far_it_is_safe(settings: Settings) -> None:
    """Windows of ten, the newest first in each; it fails in the third one."""
    seen: list[Any] = []

    def windows(since: Any, broken: bool) -> Iterator[Any]:
        seen.append(since)
        first = 0 if since is None else int((since - NOON).total_seconds()) // 10 * 10
        for window in range(first, 50, 10):
            for number in range(window + 9, window - 1, -1):
                if broken and number == 24:
                    raise ValueError("half a window")
                yield reading(number)
            yield Checkpoint(moment(window + 9))

    failing_run(settings, lambda since: windows(since, True))
    assert stored(settings) == "2026-01-01T12:00:19Z"
    assert ids(settings) == [*range(20), *range(25, 30)]
    report = run(settings, yielding(lambda since: windows(since, False)))
    assert seen == [None, moment(19)]
    assert ids(settings) == list(range(50))
    # The window of the cursor, and the half window that had come.
    assert report.deduplicated == 10 + 5
    assert stored(settings) == "2026-01-01T12:00:49Z"


def test_records_beyond_the_safe_cursor_are_known_again(settings: Settings) -> None:
    """10 stands before the ends that belong to the cursor 5, and 11 before those of 10."""

    def failing(*found: Any) -> Iterator[Any]:
        yield from found
        raise ValueError("cut short")

    failing_run(settings, lambda since: failing(reading(10), reading(5), Checkpoint(moment(5))))
    failing_run(settings, lambda since: failing(reading(10), reading(11), Checkpoint(moment(10))))
    assert stored(settings) == "2026-01-01T12:00:10Z"
    run(settings, yielding(lambda since: iter([reading(10), reading(11), reading(12)])))
    assert ids(settings) == [5, 10, 11, 12]


class Pages(BaseModel):
    """Where the connector stands: a page of each account."""

    pages: dict[str, int] = {}


def test_a_state_of_the_connector_s_own_comes_back_typed(settings: Settings) -> None:
    seen: list[Any] = []

    def accounts(since: Pages | None, broken: bool) -> Iterator[Any]:
        seen.append(since)
        pages = dict(since.pages) if since else {}
        for account, base in (("a", 0), ("b", 100)):
            for page in range(pages.get(account, 0), 3):
                yield from (reading(base + 10 * page + number) for number in range(10))
                if broken and (account, page) == ("b", 1):
                    raise ValueError("an account is locked")
                pages[account] = page + 1
                yield Checkpoint(Pages(pages=pages))

    declared: dict[str, Any] = {"cursor": None, "State": Pages}
    failing_run(settings, lambda since: accounts(since, True), **declared)
    assert stored(settings) == {"pages": {"a": 3, "b": 1}}
    run(settings, yielding(lambda since: accounts(since, False), **declared))
    assert seen == [None, Pages(pages={"a": 3, "b": 1})]
    assert ids(settings) == [*range(30), *range(100, 130)]
    report = run(settings, yielding(lambda since: accounts(since, False), **declared))
    assert (report.extracted, report.cursor) == (0, {"pages": {"a": 3, "b": 3}})


def test_a_checkpoint_of_the_wrong_type_fails_the_run_with_words(settings: Settings) -> None:
    with pytest.raises(SourceError, match="no value of readings's cursor field"):
        run(settings, yielding(lambda since: iter([reading(1), Checkpoint("yesterday")])))


def test_lookback_brings_what_came_late_and_what_has_changed(settings: Settings) -> None:
    seen: list[Any] = []

    def items(since: Any, *found: Any) -> Iterator[Any]:
        seen.append(since)
        return iter(found)

    declared: dict[str, Any] = {"lookback": timedelta(seconds=30)}
    first = [reading(10), reading(60), reading(100)]
    run(settings, yielding(lambda since: items(since, *first), **declared))
    late = [reading(71), reading(80), reading(100, text="corrected")]
    report = run(settings, yielding(lambda since: items(since, *late), **declared))
    again = run(settings, yielding(lambda since: items(since, *late), **declared))
    assert seen == [None, moment(70), moment(70)]
    assert (report.published, report.deduplicated) == (3, 0)
    assert (again.published, again.deduplicated) == (0, 3)
    assert sorted((one["id"], one["text"]) for one in records(settings)) == [
        (10, ""),
        (60, ""),
        (71, ""),
        (80, ""),
        (100, ""),
        (100, "corrected"),
    ]


def cut_short(*found: Any) -> Iterator[Any]:
    yield from found
    raise ValueError("cut short")


LOOKBACK: dict[str, Any] = {"lookback": timedelta(seconds=30)}


def giving(*found: Any) -> Callable[[Any], Iterator[Any]]:
    """What yields these."""
    return lambda since: iter(found)


def texts(settings: Settings, number: int) -> list[str]:
    """What the topic holds of a key, in its order."""
    return [one["text"] for one in records(settings) if one["id"] == number]


@pytest.mark.parametrize("ordered", [True, False])
def test_what_changes_back_within_the_lookback_is_published_again(settings: Settings, ordered: bool) -> None:
    for text in ("one", "two", "one", "one", "two"):
        found = giving(reading(90), reading(100, text=text))
        report = run(settings, yielding(found, ordered=ordered, **LOOKBACK))
        assert report.extracted == report.published + report.deduplicated == 2
    assert texts(settings, 90) == [""]
    assert texts(settings, 100) == ["one", "two", "one", "two"]


def test_a_run_that_does_not_end_publishes_what_has_changed_back_once_it_is_beyond_the_rest(
    settings: Settings,
) -> None:
    for text in ("one", "two"):
        run(settings, yielding(giving(reading(100, text=text)), ordered=True))
    failing_run(settings, lambda since: cut_short(reading(100, text="one")), ordered=True)
    assert texts(settings, 100) == ["one", "two"]
    failing_run(settings, lambda since: cut_short(reading(100, text="one"), reading(101)), ordered=True)
    assert texts(settings, 100) == ["one", "two", "one"]
    assert stored(settings) == "2026-01-01T12:01:41Z"


def test_what_changed_back_is_published_once_the_run_is_beyond_what_came_in_between(
    settings: Settings,
) -> None:
    """The topic says last of the record that it is at 25: before the run has come there, nobody knows."""
    for found in (reading(10, id=7), reading(25, id=7), reading(30)):
        run(settings, yielding(giving(found)))

    def windows(broken: bool, since: Any) -> Iterator[Any]:
        yield from (reading(10, id=7), Checkpoint(moment(20)))
        if broken:
            raise ValueError("cut short")
        yield from (reading(30), Checkpoint(moment(35)))
        raise ValueError("cut short later")

    failing_run(settings, partial(windows, True), **LOOKBACK)
    assert stored(settings) == "2026-01-01T12:00:30Z"
    assert ids(settings) == [7, 7, 30]
    failing_run(settings, partial(windows, False), **LOOKBACK)
    assert stored(settings) == "2026-01-01T12:00:35Z"
    assert ids(settings) == [7, 7, 7, 30]


def begin(since: Any) -> int:
    return 0 if since is None else int((since - NOON).total_seconds())


def test_what_runs_ahead_of_the_cursor_have_published_is_known_in_mid_run_too(settings: Settings) -> None:
    """60 to 99 stand before the ends of every checkpoint of the runs that catch up with them."""
    producer = settings.producer.model_copy(update={"checkpoint_records": 5, "slice_records": 5})
    settings = settings.model_copy(update={"producer": producer})

    def items(since: Any) -> Iterator[Any]:
        return (reading(number) for number in range(begin(since), 100))

    def failing(since: Any) -> Iterator[Any]:
        return cut_short(*(reading(number) for number in range(begin(since), 40)))

    ahead = JobPayload(source="readings", since="2026-01-01T12:01:00Z")
    run(settings, yielding(lambda since: iter([reading(10)]), ordered=True))
    run(settings, yielding(items, ordered=True), ahead)
    failing_run(settings, failing, ordered=True)
    run(settings, yielding(items, ordered=True))
    assert ids(settings) == list(range(10, 100))


def test_what_was_seen_beyond_the_safe_cursor_is_remembered_over_several_runs(settings: Settings) -> None:
    failing_run(settings, lambda since: cut_short(reading(50), reading(5), Checkpoint(moment(5))))
    failing_run(settings, lambda since: cut_short(reading(7), Checkpoint(moment(10))))
    failing_run(settings, lambda since: cut_short(reading(12), Checkpoint(moment(20))))
    run(settings, yielding(lambda since: iter([reading(25), reading(50)])))
    assert ids(settings) == [5, 7, 12, 25, 50]


def accounts(last: int, broken: tuple[str, int] | None, since: Pages | None) -> Iterator[Any]:
    """Two accounts, ten records a page, a Checkpoint behind each; raises behind the record `broken`."""
    pages = dict(since.pages) if since else {}
    for account, base, end in (("a", 0, last), ("b", 100, 1)):
        for page in range(pages.get(account, 0), end):
            for number in range(10):
                yield reading(base + 10 * page + number)
                if broken == (account, number):
                    raise ValueError("cut short")
            pages[account] = page + 1
            yield Checkpoint(Pages(pages=pages))


def test_a_state_does_not_cover_what_an_earlier_run_left_half(settings: Settings) -> None:
    declared: dict[str, Any] = {"cursor": None, "State": Pages}
    failing_run(settings, partial(accounts, 1, ("b", 5)), **declared)
    failing_run(settings, partial(accounts, 2, ("b", 0)), **declared)
    run(settings, yielding(partial(accounts, 2, None), **declared))
    assert ids(settings) == [*range(20), *range(100, 110)]


def test_a_state_that_is_changed_after_it_was_yielded_runs_ahead_of_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def items(since: Pages | None) -> Iterator[Any]:
        state = since or Pages()
        for page in range(state.pages.get("a", 0), 3):
            yield from (reading(10 * page + number) for number in range(10))
            state.pages["a"] = page + 1
            yield Checkpoint(state)

    publish, calls = Publisher.publish, list[int]()

    def only_once(self: Publisher, *given: Any) -> Closing:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("killed")
        return publish(self, *given)

    declared: dict[str, Any] = {"cursor": None, "State": Pages}
    with monkeypatch.context() as patched:
        patched.setattr(Publisher, "publish", only_once)
        with pytest.raises(RuntimeError, match="killed"):
            run(settings, yielding(items, **declared))
    assert stored(settings) == {"pages": {"a": 1}}
    run(settings, yielding(items, **declared))
    assert ids(settings) == list(range(30))


def test_a_cursor_that_is_declared_later_finds_what_came_before_it(settings: Settings) -> None:
    run(settings, yielding(lambda since: iter([reading(1), reading(2)]), cursor=None))
    for _ in range(3):
        run(settings, yielding(lambda since: iter([reading(n) for n in (1, 2) if n >= begin(since)])))
    assert ids(settings) == [1, 2]


@pytest.mark.parametrize("lookback", [30, "6h", timedelta(days=999999)])
def test_a_lookback_that_does_not_fit_the_cursor_is_told(settings: Settings, lookback: Any) -> None:
    run(settings, yielding(lambda since: iter([reading(1)])))
    with pytest.raises(CursorError, match="cannot be taken from the cursor"):
        run(settings, yielding(lambda since: iter([]), lookback=lookback))


def test_a_pause_behind_a_checkpoint_is_waited_for_without_turning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, calls = Slices.take, list[float]()

    def counted(self: Slices[Any, Any], timeout: float, *, here: bool = True) -> Any:
        calls.append(timeout)
        return take(self, timeout, here=here)

    def items(since: Any) -> Iterator[Any]:
        yield reading(1)
        yield Checkpoint(moment(1))
        time.sleep(3)
        yield reading(2)

    monkeypatch.setattr(Slices, "take", counted)
    run(settings, yielding(items))
    assert len(calls) < 50
