"""How data leaves a command: aligned columns for people, JSON for programs, both on stdout."""

import base64
import datetime
import decimal
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON text; times in ISO 8601, decimals and ids as text, bytes as base64."""
    return json.dumps(value, default=_plain, ensure_ascii=False, indent=indent)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def cursor_words(cursor: Any, before: str = "") -> str:
    """A cursor as a person may type it again, with the words that stand before one."""
    if cursor is None:
        return "no cursor yet"
    return before + (cursor if isinstance(cursor, str) else to_json(cursor))


def print_json(value: Any) -> None:
    """One JSON document, indented."""
    typer.echo(to_json(value, indent=2))


def print_json_line(value: Any) -> None:
    """One JSON document on one line."""
    typer.echo(to_json(value))


def print_columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their longest cell. The last one may be of any length; nothing is cut off."""
    table = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head) - 1)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*cells, row[-1]]).rstrip())
