"""Reads `since` as people type it: what a cursor's type makes of a text, and which texts it would take."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBER = re.compile(r"\s*[-+]?[\d_.]+(e[-+]?\d+)?\s*", re.IGNORECASE)
_EXAMPLES = ("2026-01-31", "2026-01-31T08:00:00Z", "2026-01-31T08:00:00", "1000")
_MOMENT: TypeAdapter[datetime] = TypeAdapter(datetime)


def read_since(adapter: TypeAdapter[Any], since: Any) -> Any:
    """`since` as the adapter's type; ValueError (pydantic's, or with a sentence) if it is none."""
    try:
        value = adapter.validate_python(since)
    except ValidationError as exc:
        if exc.errors(include_url=False)[0]["type"] != "timezone_aware":
            raise
        value = adapter.validate_python(_MOMENT.validate_python(since).replace(tzinfo=UTC))
    # pydantic takes a number for seconds since 1970. Stored times are never written so, typed ones not meant.
    if isinstance(since, str) and isinstance(value, date) and _NUMBER.fullmatch(since):
        raise ValueError("a bare number is no time")
    return value


def examples(adapter: TypeAdapter[Any]) -> str:
    """ "; write it such as …" with texts that the type takes; nothing where none of ours is one."""
    fitting = list(_fitting(adapter))[:2]
    return f"; write it such as {' or '.join(fitting)}" if fitting else ""


def sample(adapter: TypeAdapter[Any]) -> Any:
    """Any value of the type; None where none of our examples is one."""
    return next((read_since(adapter, text) for text in _fitting(adapter)), None)


def _fitting(adapter: TypeAdapter[Any]) -> Iterator[str]:
    for text in _EXAMPLES:
        with contextlib.suppress(Exception):  # a validator is the author's code
            value = read_since(adapter, text)
            # Of a date with a time only the date would be taken.
            if isinstance(value, datetime) or not isinstance(value, date) or "T" not in text:
                yield text
