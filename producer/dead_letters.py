"""Items that cannot become records: what is written about them to `<topic>.dlq`.

The value is the raw item as JSON, as near as that comes; why, where and when stands in headers. Dead letters
of records that were published but cannot be loaded are the consumer's.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ValidationError

from producer.errors import words_of
from schemas.errors import UnencodableRecordError

Reason = Literal["validation", "transform", "encoding", "oversized"]
STAGE = "producer"
MESSAGE_LIMIT = 1000
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


@dataclass(frozen=True, slots=True)
class Rejected:
    """One item that was not published: `error` is the class, `message` says what was wrong and at which
    field.
    """

    item: Any
    reason: Reason
    error: str
    message: str

    @classmethod
    def for_error(cls, item: Any, reason: Reason, error: Exception) -> "Rejected":
        """Describe `error` without quoting the refused values: they may be secret, and are in the item
        anyway.
        """
        return cls(item, reason, type(error).__name__, describe(error)[:MESSAGE_LIMIT])


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, ready for `Producer.produce`."""

    value: bytes
    headers: list[tuple[str, bytes]]


def letter(rejected: Rejected, *, source: str, run_id: str, at: datetime, max_bytes: int) -> Letter:
    """Write down a rejected item in at most `max_bytes` of value; a larger item is cut and says so."""
    headers = {
        "reason": rejected.reason,
        "stage": STAGE,
        "source": source,
        "run_id": run_id,
        "error": rejected.error,
        "message": rejected.message,
        "at": at.isoformat(),
    }
    value = as_json(rejected.item)
    if len(value) > max_bytes:
        value = _cut(value, max_bytes)
    return Letter(value, [(name, text.encode(errors="replace")) for name, text in headers.items()])


def describe(error: Exception) -> str:
    """What was wrong, with the path of each field. Raises nothing, whatever the error is made of."""
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        return "; ".join(f"{_path(fault['loc'])}: {fault['msg']}" for fault in faults)
    if isinstance(error, UnencodableRecordError):
        return f"{error.path} {error.why}"
    return words_of(error)


def as_json(item: Any) -> bytes:
    """`item` as JSON: exact where JSON can say it, else text for the parts, else the whole item's repr."""
    try:
        return orjson.dumps(item, default=_plain, option=_OPTIONS)
    except Exception:  # noqa: S110 - items are an author's objects and may raise anything; the next way is tried
        pass
    try:
        # Integers beyond 64 bits and lone surrogates are beyond orjson.
        return json.dumps(item, default=_plain).encode()
    except Exception:
        return json.dumps({"repr": _text(item)}).encode()


def _plain(part: Any) -> Any:
    if isinstance(part, BaseModel):
        return part.model_dump(mode="json", fallback=_text, warnings=False)
    if isinstance(part, (set, frozenset, tuple)):
        return list(part)
    if isinstance(part, (bytes, bytearray)):
        return bytes(part).decode(errors="backslashreplace")
    return _text(part)


def _text(part: Any) -> str:
    try:
        return str(part)
    except Exception:
        return f"<{type(part).__name__} without text>"


def _cut(value: bytes, max_bytes: int) -> bytes:
    # JSON inside JSON: a quote or backslash of the head may take two bytes, a stray half character six.
    head = value[: max(0, max_bytes // 3 - 100)].decode(errors="ignore")
    return orjson.dumps({"truncated": True, "bytes": len(value), "head": head})


def _path(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return text.removeprefix(".") or "record"
