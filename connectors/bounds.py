"""The bounds of a backfill: from `since` on and before `until`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.base import source_name
from connectors.errors import UntilError

if TYPE_CHECKING:
    from connectors.base import BaseConnector


def parse_bounds(cls: type[BaseConnector], since: Any, until: Any) -> tuple[Any, Any]:
    """Stored or typed bounds as values of the cursor's type; `until` None: a run without end.

    Raises SinceError, or UntilError if `until` cannot be read or bounds nothing.
    """
    if until is None:
        return cls.parse_since(since), None
    name = source_name(cls)
    if cls.cursor is None:
        why = "declares no cursor" if cls.State is None else "keeps a State, which has no order"
        raise UntilError(f"until={until!r} bounds no run of {name}: it {why}. Run it without `until`")
    if since is None:
        raise UntilError(
            f"until={until!r} needs a `since`: a backfill of {name} takes what is at or after `since` and "
            "before `until`, wherever the stored cursor is"
        )
    begin, end = cls.parse_since(since), cls.parse_until(until)
    try:
        if begin < end:
            return begin, end
    except TypeError as exc:
        raise UntilError(
            f"since={since!r} and until={until!r} do not compare: {exc}. Write both with a time zone or none"
        ) from exc
    raise UntilError(
        f"since={since!r} is not before until={until!r}: a backfill of {name} takes what is at or after "
        "`since` and before `until`"
    )
