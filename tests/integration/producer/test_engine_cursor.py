"""Where a run begins and what it does to the stored cursor."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.errors import SinceError
from runtime.settings import Settings
from schemas.records import JobPayload
from tests.integration.producer.support import NOON, ids, parts_for, reading, run, stored, yielding


def test_the_next_run_gets_the_cursor_typed(settings: Settings) -> None:
    seen: list[Any] = []

    def items(since: Any) -> Iterator[Any]:
        seen.append(since)
        yield reading(60)

    connector = yielding(items)
    run(settings, connector)
    run(settings, connector)
    run(settings, connector, JobPayload(source="readings", since="2025-01-01T00:00:00+02:00"))
    assert seen == [None, NOON + timedelta(seconds=60), datetime(2024, 12, 31, 22, tzinfo=UTC)]
    with pytest.raises(SinceError, match="no value of readings's cursor field"):
        run(settings, connector, JobPayload(source="readings", since="yesterday"))


def test_an_older_since_does_not_move_the_cursor_back(settings: Settings) -> None:
    run(settings, yielding(lambda since: iter([reading(100)])))
    old = JobPayload(source="readings", since="2025-01-01T00:00:00Z")
    report = run(settings, yielding(lambda since: iter([reading(1)])), old)
    assert report.cursor == stored(settings) == "2026-01-01T12:01:40Z"


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_a_newer_since_does_not_move_the_cursor_over_what_it_leaves_out(
    settings: Settings, ordered: bool, first: bool
) -> None:
    def items(since: Any) -> Iterator[Any]:
        begin = 0 if since is None else int((since - NOON).total_seconds())
        yield from (reading(number) for number in range(begin, 100))

    if not first:
        run(settings, yielding(lambda since: iter([reading(10)]), ordered=ordered))
    newer = JobPayload(source="readings", since="2026-01-01T12:01:00Z")
    report = run(settings, yielding(items, ordered=ordered), newer)
    assert (report.completed, report.published) == (True, 40)
    assert report.cursor == stored(settings) == (None if first else "2026-01-01T12:00:10Z")
    run(settings, yielding(items, ordered=ordered))
    assert set(ids(settings)) == set(range(0 if first else 10, 100))
    assert stored(settings) == "2026-01-01T12:01:39Z"


def test_a_source_without_cursor_is_remembered_as_completed(settings: Settings) -> None:
    started = datetime.now(UTC)
    run(settings, yielding(lambda since: iter([reading(1)]), cursor=None))
    with parts_for(settings) as parts:
        position = parts.cursors.load("readings")
    assert position is not None
    assert position.cursor is None
    assert position.completed is not None
    assert started <= position.completed <= position.at == position.finished
