"""The rows of `ingest connectors list`: what is known here, and what the producers say."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.fleet import facts_of
from cli.output import print_columns
from producer.control import Told

_COLUMNS = ("source", "state", "schedule", "next_due", "last_success", "owner", "origin", "detail")
_ALWAYS = frozenset({"source", "state", "schedule", "origin", "detail"})
# What this machine knows better: these are not run by producers with the same settings.
_OWN_WORD = frozenset({"skipped", "quarantined"})


def merged(rows: Iterable[Mapping[str, Any]], fleet: Mapping[str, Told]) -> list[dict[str, Any]]:
    """A row for each connector here, told as the producers have it, and one for each that only they know."""
    here = [{**row, **_of_fleet(row, fleet)} for row in rows]
    known = {row["source"] for row in here}
    return here + [
        {**facts_of(told), "schedule": None, "origin": None}
        for source, told in fleet.items()
        if source not in known and told.told is not None
    ]


def print_sources(rows: Sequence[Mapping[str, Any]]) -> None:
    """One line for each; the columns of the producers' words only if there are any."""
    columns = [column for column in _COLUMNS if column in _ALWAYS or any(row.get(column) for row in rows)]
    head = [column.replace("_", " ") for column in columns]
    print_columns(head, [tuple(_cell(row.get(column)) for column in columns) for row in rows])


def _of_fleet(row: Mapping[str, Any], fleet: Mapping[str, Told]) -> dict[str, Any]:
    told = fleet.get(row["source"] or "")
    if told is None or row["state"] in _OWN_WORD:
        return {}
    if told.told is None and row["state"] != "ready":
        return {}
    return facts_of(told)


def _cell(value: Any) -> str:
    """A cell of a table; `--json` has all of it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    first, *more = str(value or "").splitlines() or [""]
    return f"{first} …" if more else first
