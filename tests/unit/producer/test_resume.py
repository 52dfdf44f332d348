"""Where the end of a topic begins for a run, and which pairs of cursor and ends are kept for that."""

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.errors import SinceError
from producer.positions import MARKS, Ends, Mark, Position, with_mark
from producer.resume import tail_starts, without_lost_ends

AT = datetime(2026, 1, 1, tzinfo=UTC)


def ends(offset: int) -> Ends:
    return {"t": {0: offset}}


def at(cursor: Any, offset: int, *marks: Mark, high: Any = None) -> Position:
    return Position(source="s", cursor=cursor, run_id="r", at=AT, ends=ends(offset), high=high, marks=marks)


def number(stored: Any) -> int:
    return int(stored)


FIRST = Mark()
MARKED = (FIRST, Mark(cursor=10, ends=ends(100)), Mark(cursor=20, ends=ends(200)))


@pytest.mark.parametrize(
    ("since", "starts"),
    [
        (None, {}),  # everything is extracted again
        (5, {}),
        (10, {}),  # what stands at 10 may stand before the ends of 10
        (11, ends(100)),
        (20, ends(100)),
        (30, ends(200)),  # the usual run: from the stored cursor, inclusive
        (31, ends(300)),
    ],
)
def test_all_that_is_at_or_after_since_stands_behind(since: Any, starts: Ends) -> None:
    assert tail_starts(at(30, 300, *MARKED), since, number) == starts


def test_a_safe_cursor_below_the_highest_one_is_no_place_to_begin_at() -> None:
    """A record at 40 stands before the ends that belong to the cursor 30."""
    assert tail_starts(at(30, 300, *MARKED, high=40), 35, number) == ends(200)
    assert tail_starts(at(30, 300, *MARKED, high=40), 41, number) == ends(300)


def test_a_source_without_cursor_is_only_protected_from_a_run_cut_short() -> None:
    assert tail_starts(None, None, None) is None
    assert tail_starts(at(None, 300), None, None) == ends(300)


def test_without_a_position_the_whole_topic_is_read() -> None:
    assert tail_starts(None, None, number) == {}
    assert tail_starts(None, 5, number) == {}


def test_an_exact_cursor_repeats_nothing() -> None:
    assert tail_starts(at(30, 300, *MARKED), 30, number, exact=True) == ends(300)


def test_a_mark_of_another_type_is_passed_over() -> None:
    def parse(value: Any) -> int:
        if isinstance(value, str):
            raise SinceError("no number")
        return int(value)

    assert tail_starts(at("b", 300, FIRST, Mark(cursor=10, ends=ends(100))), 30, parse) == ends(100)


def test_the_first_and_the_latest_marks_stay() -> None:
    marks: tuple[Mark, ...] = (FIRST,)
    for count in range(1, 1000):
        marks = with_mark(marks, Mark(cursor=count, ends=ends(count)))
        assert len(marks) <= MARKS
        assert marks[0] == FIRST
        values = [number(mark.cursor or 0) for mark in marks]
        assert values[-3:] == list(range(max(0, count - 2), count + 1))
        assert values == sorted(values)


def test_a_position_is_read_back_as_it_was_written() -> None:
    position = at({"page": 3}, 7, *MARKED, high={"page": 3})
    key, value = position.message()
    assert key == b"s"
    assert Position.model_validate_json(value[:-1] + b', "source": "s", "unknown": 1}') == position


def test_values_before_the_ends_of_a_time_without_cursor_are_not_known() -> None:
    assert tail_starts(at(None, 300), 5, number) == {}
    assert tail_starts(at(30, 300, Mark(cursor=None, ends=ends(100))), 30, number) == {}


def test_ends_behind_the_end_of_a_topic_are_those_of_another_one() -> None:
    position = at(30, 300, *MARKED)
    assert without_lost_ends(position, ends(300)) == position
    assert without_lost_ends(position, {**ends(299), "u": {0: 1000}}) == at(30, 0).model_copy(
        update={"ends": {}}
    )
    assert without_lost_ends(position, {"t": {}}).marks == ()


def test_what_a_backfill_had_done_in_another_topic_is_not_done() -> None:
    position = at(30, 300, *MARKED).model_copy(update={"backfills": {"job": 20}})
    assert without_lost_ends(position, ends(300)).backfills == {"job": 20}
    assert without_lost_ends(position, ends(299)).backfills == {}
