"""Where a run begins to look for what is in its source's topics already (rules P5 and P7)."""

from collections.abc import Callable
from typing import Any

from pydantic import JsonValue

from connectors.base import BaseConnector, source_name
from connectors.errors import SinceError
from producer.errors import CursorError
from producer.positions import Ends, Position


def tail_starts(
    previous: Position | None,
    since: Any,
    parse: Callable[[JsonValue], Any] | None,
    *,
    exact: bool = False,
) -> Ends | None:
    """The offsets behind which all published records at or after `since` stand; None if there are none.

    A partition that is missing counts from its start. `parse` reads a stored cursor, None for a source
    without one: of those only a run that was cut short is looked for, since each run is a new state of all.
    `exact`: what follows a cursor is not at it, so that a run from the stored one repeats nothing.
    """
    if parse is None:
        return None if previous is None else previous.ends
    if previous is None or since is None:
        return {}
    if exact and parse(previous.cursor) == since:
        return previous.ends
    for mark in (previous.mark, *reversed(previous.marks)):
        if mark.cursor is None:
            # The source had no cursor then: the values of what stands before the ends are not known.
            break
        if _before(mark.cursor, since, parse):
            return mark.ends
    return {}


def looking_back(connector: type[BaseConnector], cursor: Any) -> Any:
    """Where a run from `cursor` begins. Raises CursorError for a lookback of the wrong type."""
    if connector.lookback is None:
        return cursor
    try:
        return cursor - connector.lookback
    except (TypeError, OverflowError) as exc:
        raise CursorError(
            f"{source_name(connector)}: lookback = {connector.lookback!r} cannot be taken from the cursor "
            f"{cursor!r}: {exc}. Declare a timedelta for times, a number for numbers"
        ) from exc


def without_lost_ends(position: Position, ends: Ends) -> Position:
    """The position without ends and marks if they do not belong to the topics that end at `ends`: one of them
    was deleted and made anew. Offsets of the old one say nothing about it, and what backfills have done is
    gone with it.
    """
    lost = any(
        offset > ends.get(topic, {}).get(partition, 0)
        for topic, old in position.ends.items()
        for partition, offset in old.items()
    )
    return position.model_copy(update={"ends": {}, "marks": (), "backfills": {}}) if lost else position


def _before(cursor: JsonValue, since: Any, parse: Callable[[JsonValue], Any]) -> bool:
    try:
        return bool(parse(cursor) < since)
    except (SinceError, TypeError):
        # Written when the cursor was of another type.
        return False
