"""Setting a source's cursor by hand: what it would change, and the change itself, as a producer of its own.

Only while the source is paused: a run would write over it. What is in the topic is not published again,
wherever the cursor is set to (P5, P7).
"""

import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import JsonValue

from connectors.base import BaseConnector
from connectors.errors import SinceError
from producer.assembly import Parts
from producer.control import Told
from producer.errors import CursorInUseError, NoCursorError
from producer.limiter import utc_now
from producer.positions import Position
from producer.resume import looking_back
from producer.states import State
from producer.target import writer_name


@dataclass(frozen=True)
class CursorPlan:
    """A change of a cursor. `before` is the stored position, None if there is none; `begins` where the next
    run begins: at the cursor, or before it by the lookback.
    """

    source: str
    before: Position | None
    cursor: JsonValue
    begins: JsonValue = None

    @property
    def effect(self) -> str:
        """What the next run will do."""
        if self.cursor is None:
            return "the next run extracts everything; what is in the topic unchanged is not published again"
        lookback = "" if self.begins == self.cursor else " (the cursor less the lookback)"
        return (
            f"the next run extracts from {self.begins} on{lookback}; what is in the topic unchanged is not "
            "published again, and what is older and not in it is never fetched"
        )


def plan_cursor(connector: type[BaseConnector], before: Position | None, text: str | None) -> CursorPlan:
    """Read `text` as a value of the cursor, None for a reset.

    Raises NoCursorError for a source without a cursor, SinceError for a text that is none.
    """
    source = connector.contract().source
    if not connector.has_cursor():
        raise NoCursorError(f"{source} declares no cursor: each of its runs starts from nothing")
    value = None if text is None else connector.parse_since(text)
    if text is not None and value is None:
        raise SinceError(f"{source}: {text!r} is no value of its cursor")
    if value is None:
        return CursorPlan(source, before, None)
    dump = partial(connector.cursor_type().dump_python, mode="json")
    return CursorPlan(source, before, dump(value), dump(looking_back(connector, value)))


def check_paused(told: Told) -> None:
    """Raise CursorInUseError unless the source is paused and no run of it goes on."""
    if told.pause is None:
        raise CursorInUseError(
            f"{told.source} is not paused: a run would write over the cursor",
            step=f"ingest connectors pause {told.source}",
        )
    if told.state not in (State.PAUSED, State.UNASSIGNED):
        raise CursorInUseError(
            f"{told.source} is to be paused, but its run has not ended yet ({told.state}"
            f"{f': {told.detail}' if told.detail else ''})",
            step="try again when `ingest connectors list` shows PAUSED",
        )


def apply_cursor(parts: Parts, plan: CursorPlan, connector: type[BaseConnector]) -> Position:
    """Write the position as the source's only producer; returns it.

    Raises CursorInUseError if a run has moved the cursor since the plan was made, and what
    `IngestionEngine.replace_position` raises.
    """

    def replaced(found: Position | None) -> Position:
        if found != plan.before:
            raise CursorInUseError(
                f"{plan.source}: its cursor has moved meanwhile", step="look at it and ask again"
            )
        return _moved(found, plan, exact=connector.State is not None)

    return parts.engine.replace_position(plan.source, replaced)


def _moved(found: Position | None, plan: CursorPlan, *, exact: bool) -> Position:
    """The position with another cursor. What stands in the topic stays known: by marks, or, of a State, which
    has none, by reading all of it.
    """
    fresh = Position(
        source=plan.source,
        cursor=plan.cursor,
        run_id=f"set by hand {uuid.uuid4().hex}",
        at=utc_now(),
        writer=writer_name(),
    )
    if found is None:
        return fresh
    kept: dict[str, Any] = {
        "completed": found.completed,
        "finished": found.finished,
        "jobs": found.jobs,
        "backfills": found.backfills,
    }
    if not exact:
        kept.update({"ends": found.ends, "marks": found.marks, "high": found.mark.cursor})
    return fresh.model_copy(update=kept)
