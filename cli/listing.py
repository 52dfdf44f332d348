"""The rows of `ingest connectors list`: what is known here, and what the producers say."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.fleet import Asked, facts_of
from cli.output import print_columns
from producer.control import Told
from producer.states import State

_COLUMNS = ("source", "state", "schedule", "next_due", "last_success", "owner", "jobs", "origin", "detail")
_ALWAYS = frozenset({"source", "state", "schedule", "origin", "detail"})
# What this machine knows better: these are not run by producers with the same settings.
_OWN_WORD = frozenset({"skipped", "quarantined"})
_MEND = (
    "next: ingest connectors try {0}; once mended (new code or settings: after a restart of the producers) "
    "ingest connectors restart {0}"
)
# Each row has the same keys.
_UNTOLD = facts_of(Told("", None, None, None, ()))
# No run goes on in these: a pause is in force.
_AT_REST = frozenset({State.PAUSED, State.UNASSIGNED})


def merged(rows: Iterable[Mapping[str, Any]], asked: Asked) -> list[dict[str, Any]]:
    """A row for each connector here, told as the producers have it, and one for each that only they know."""
    here = [{**_UNTOLD, **row, **_of_fleet(row, asked)} for row in rows]
    known = {row["source"] for row in here}
    return here + [
        {**facts_of(told), "schedule": None, "origin": None, "detail": _not_here(told)}
        for source, told in asked.told.items()
        if source not in known and told.told is not None
    ]


def print_sources(rows: Sequence[Mapping[str, Any]]) -> None:
    """One line for each; the columns of the producers' words only if there are any."""
    shown = [{**row, "jobs": _jobs(row), "detail": _detail(row)} for row in rows]
    columns = [column for column in _COLUMNS if column in _ALWAYS or any(row.get(column) for row in shown)]
    head = [column.replace("_", " ") for column in columns]
    print_columns(head, [tuple(_cell(row.get(column)) for column in columns) for row in shown])


def _of_fleet(row: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    if asked.why_not is not None and row["state"] == "ready":
        return {"state": "unknown", "detail": asked.why_not}
    told = asked.told.get(row["source"] or "")
    if told is None or row["state"] in _OWN_WORD:
        return {}
    if told.told is not None:
        return facts_of(told)
    # Nobody has told of it yet: worth a word only if somebody should have, or has asked for something.
    is_awaited = bool(told.holder or told.pause or told.jobs)
    return facts_of(told) if is_awaited and row["state"] == "ready" else {}


def _not_here(told: Told) -> str:
    """Of a source without a connector here. Where no producer has one either, nothing of it will run."""
    return "; ".join(filter(None, [told.detail, "no connector here has this name"]))


def _jobs(row: Mapping[str, Any]) -> str:
    """How many there are that are not over, and who asked for the first."""
    waiting = [job for job in row.get("waiting_jobs") or () if "failed" not in job]
    reasons = [*dict.fromkeys(str(job.get("reason", "")) for job in waiting)]
    return f"{len(waiting)}: {_line(reasons[0])}{' …' if len(reasons) > 1 else ''}" if waiting else ""


def _detail(row: Mapping[str, Any]) -> str:
    """The detail as one line, with what is to come of it."""
    said = [_line(row.get("detail"))]
    if row.get("paused_by") and row["state"] not in _AT_REST:
        said.append(f"pausing, asked by {row['paused_by']}")
    if row["state"] == State.FAILED:
        said.append(_MEND.format(row["source"]))
    return "; ".join(filter(None, said))


def _cell(value: Any) -> str:
    """A cell of a table; `--json` has all of it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return _line(value)


def _line(value: Any) -> str:
    first, *more = str(value or "").splitlines() or [""]
    return f"{first} …" if more else first
