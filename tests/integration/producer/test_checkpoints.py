"""Cursors that connectors move themselves, and lookback: nothing is left out, nothing is there twice."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from connectors import Checkpoint
from producer.errors import SourceError
from runtime.settings import Settings
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
