"""Watermark: the highest published cursor value, never moved back, stored as JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from pydantic import AwareDatetime, BaseModel

from connectors.base import BaseConnector
from connectors.errors import SinceError
from producer.errors import CursorError
from producer.watermark import Watermark


class Timed(BaseConnector):
    name = "timed"
    cursor: ClassVar[str | None] = "at"

    class Record(BaseModel):
        at: AwareDatetime | None

    def extract(self, since: Any = None) -> Iterator[Any]:
        yield from ()


class Untimed(Timed):
    cursor: ClassVar[str | None] = None


def at(hour: int) -> datetime:
    return datetime(2026, 1, 1, hour, tzinfo=UTC)


def test_the_highest_value_counts_in_whatever_order() -> None:
    mark = Watermark(Timed, None)
    mark.see([at(3), at(9), at(4)])
    mark.see([at(5)])
    assert mark.as_json() == "2026-01-01T09:00:00Z"


def test_it_never_moves_back_behind_what_is_stored() -> None:
    mark = Watermark(Timed, "2026-01-01T12:00:00Z")
    mark.see([at(3)])
    assert mark.as_json() == "2026-01-01T12:00:00Z"
    mark.see([at(13)])
    assert mark.as_json() == "2026-01-01T13:00:00Z"


def test_a_run_that_begins_behind_the_value_leaves_a_gap() -> None:
    mark = Watermark(Timed, "2026-01-01T12:00:00Z")
    assert mark.covers(None)
    assert mark.covers(at(11))
    assert mark.covers(at(12))
    assert not mark.covers(at(13))
    assert not mark.covers(datetime(2026, 1, 1))  # noqa: DTZ001 - does not compare, so nothing is known
    assert not Watermark(Timed, None).covers(at(1))
    assert Watermark(Timed, None).covers(None)


def test_records_without_a_value_do_not_count() -> None:
    mark = Watermark(Timed, None)
    mark.see([None, at(2), None])
    mark.see([None])
    assert mark.as_json() == "2026-01-01T02:00:00Z"
    nothing = Watermark(Timed, None)
    nothing.see([None])
    assert nothing.as_json() is None


def test_a_source_without_cursor_keeps_none_whatever_was_stored() -> None:
    mark = Watermark(Untimed, "2026-01-01T12:00:00Z")
    mark.see([])
    assert mark.as_json() is None


def test_a_stored_value_of_another_type_stops_the_source_with_words() -> None:
    with pytest.raises(SinceError, match="cursor field `at`"):
        Watermark(Timed, "yesterday")


def test_values_that_do_not_compare_stop_the_source_with_words() -> None:
    mark = Watermark(Timed, None)
    mixed = [at(1), datetime(2026, 1, 1)]  # noqa: DTZ001 - a naive one, on purpose
    with pytest.raises(CursorError, match="do not compare"):
        mark.see(mixed)
