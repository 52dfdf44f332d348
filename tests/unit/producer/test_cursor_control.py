"""Cursors set by hand: what is refused, and what the new position keeps of the old one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import BaseModel

from connectors.base import BaseConnector
from connectors.errors import SinceError
from producer.assembly import Parts
from producer.control import Told
from producer.cursor_control import apply_cursor, check_paused, plan_cursor
from producer.errors import CursorInUseError, NoCursorError
from producer.positions import Mark, Position
from producer.resume import tail_starts
from producer.states import State
from producer.states_topic import Announcement
from schemas.records import Pause
from tests.integration.producer.support import Readings

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ENDS = {"ingest.readings": {0: 100}}
STORED = Position(
    source="readings",
    cursor="2026-01-01T12:00:00Z",
    run_id="r",
    at=NOON,
    completed=NOON,
    finished=NOON,
    jobs=("j",),
    ends=ENDS,
    marks=(Mark(cursor="2026-01-01T06:00:00Z", ends={"ingest.readings": {0: 50}}),),
)


class Cities(Readings):
    """A cursor of its own."""

    cursor = None  # type: ignore[assignment]

    class State(BaseModel):
        """The last one of each city."""

        cities: dict[str, int]


class Plain(Readings):
    """No cursor."""

    cursor = None  # type: ignore[assignment]


def applied(connector: type[BaseConnector], stored: Position | None, text: str | None) -> Position:
    plan = plan_cursor(connector, stored, text)
    return apply_cursor(parts_with(stored), plan, connector)


def parts_with(stored: Position | None) -> Parts:
    def replace_position(source: str, replaced: Callable[[Any], Position]) -> Position:
        return replaced(stored)

    return cast("Parts", SimpleNamespace(engine=SimpleNamespace(replace_position=replace_position)))


def starts(connector: type[BaseConnector], position: Position) -> Any:
    since = connector.parse_since(position.cursor)
    return tail_starts(position, since, connector.parse_since, exact=connector.State is not None)


def test_an_older_cursor_reads_its_topic_from_where_that_stood() -> None:
    position = applied(Readings, STORED, "2026-01-01T09:00:00Z")
    assert (position.cursor, position.completed, position.jobs) == ("2026-01-01T09:00:00Z", NOON, ("j",))
    assert position.finished == NOON
    assert starts(Readings, position) == {"ingest.readings": {0: 50}}


def test_the_plan_says_where_the_next_run_begins() -> None:
    looking_back: Any = type("Own", (Readings,), {"lookback": timedelta(hours=1)})
    effects = [plan_cursor(one, STORED, "2026-01-01T09:00:00Z").effect for one in (Readings, looking_back)]
    assert effects[0].startswith("the next run extracts from 2026-01-01T09:00:00Z on; ")
    assert effects[1].startswith("the next run extracts from 2026-01-01T08:00:00Z on (the cursor less the ")


def test_a_newer_cursor_reads_what_may_be_at_it() -> None:
    position = applied(Readings, STORED, "2026-01-01T15:00:00Z")
    assert starts(Readings, position) == ENDS


def test_a_reset_reads_all_of_its_topic() -> None:
    position = applied(Readings, STORED, None)
    assert (position.cursor, position.mark.cursor) == (None, STORED.cursor)
    assert starts(Readings, position) == {}


@pytest.mark.parametrize("text", ['{"cities": {"Zurich": 3}}', None])
def test_a_state_reads_all_of_its_topic_too(text: str | None) -> None:
    stored = STORED.model_copy(update={"cursor": {"cities": {"Zurich": 9}}, "marks": ()})
    position = applied(Cities, stored, text)
    assert position.cursor == (None if text is None else {"cities": {"Zurich": 3}})
    assert starts(Cities, position) == {}


def test_a_backfill_that_goes_on_keeps_its_place() -> None:
    stored = STORED.model_copy(update={"backfills": {"b": "2025-06-01T00:00:00Z"}})
    assert applied(Readings, stored, None).backfills == {"b": "2025-06-01T00:00:00Z"}


def test_a_cursor_that_has_moved_since_the_plan_is_left_alone() -> None:
    plan = plan_cursor(Readings, STORED, None)
    moved = STORED.model_copy(update={"run_id": "other"})
    with pytest.raises(CursorInUseError, match="has moved meanwhile"):
        apply_cursor(parts_with(moved), plan, Readings)


def test_what_is_no_cursor_is_refused() -> None:
    with pytest.raises(SinceError):
        plan_cursor(Readings, STORED, "yesterday-ish")
    with pytest.raises(NoCursorError, match="declares no cursor"):
        plan_cursor(Plain, None, "2026-01-01")


@pytest.mark.parametrize(
    ("state", "paused", "refused"),
    [
        (State.PAUSED, True, None),
        (State.RUNNING, True, "its run has not ended yet"),
        (State.SCHEDULED, False, "is not paused"),
        (None, True, None),
        (None, False, "is not paused"),
    ],
)
def test_only_a_paused_source_s_cursor_is_set(state: State | None, paused: bool, refused: str | None) -> None:
    told = Announcement(state=state, since=NOON, owner="a:1", partition=0) if state else None
    pause = Pause(source="readings", at=NOON, by="ann") if paused else None
    source = Told("readings", told, "a:1" if told else None, pause, ())
    if refused is None:
        check_paused(source)
    else:
        with pytest.raises(CursorInUseError, match=refused):
            check_paused(source)
