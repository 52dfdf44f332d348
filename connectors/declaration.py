"""Is a connector class whole? Checked once, at discovery, so that a run cannot fail for what its file says.

Each refusal has the lines to add or change. What Avro can carry, and whether key, event time, sort and mode
fit the model, is judged by `schemas`; this module judges the rest.
"""

from __future__ import annotations

import inspect
import types
import typing
from abc import ABC
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from connectors.base import BaseConnector, Missed, source_name
from connectors.errors import DeclarationError, RateLimitError, ScheduleError
from connectors.misspelt import misspelt_member
from connectors.rates import parse_rate_limits
from connectors.schedule import parse_schedule
from connectors.since import sample
from schemas.avro import build_schema
from schemas.errors import ContractError
from schemas.names import Names, check_source_name

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_LINES = {
    "name": "    name = {name!r}",
    "extract": '    def extract(self, since=None):\n        yield {{"id": "1"}}  # raw items, page by page',
    "Record": "    class Record(BaseModel):  # from pydantic\n        id: str  # one line per field",
}


def check_declaration(cls: type[BaseConnector]) -> None:
    """Raise DeclarationError for the first thing by which `cls` breaks the contract of BaseConnector."""
    if found := misspelt_member(cls):
        member, meant = found
        raise DeclarationError(
            f"{cls.__name__}.{member} is read by nothing: did you mean `{meant}`? "
            "If it is meant as it is, begin its name with an underscore"
        )
    for member in ("extract", "name"):
        if member in cls.__abstractmethods__:
            raise DeclarationError(_lines_to_add(cls, f"declares no `{member}`", member))
    if cls.__abstractmethods__:
        raise DeclarationError(f"{cls.__name__} leaves out {', '.join(sorted(cls.__abstractmethods__))}")
    if not _is_model(getattr(cls, "Record", None)):
        raise DeclarationError(_lines_to_add(cls, "declares no `Record` that is a pydantic model", "Record"))
    if not _is_model(cls.Settings):
        raise DeclarationError(
            f"{cls.__name__}.Settings must be a pydantic model: class Settings(BaseModel): …"
        )
    _check_name(cls)
    _check_field_names(cls)
    _check_extract(cls)
    _check_cursor(cls)
    _check_slice(cls)
    if cls.mode not in ("append", "upsert"):
        raise DeclarationError(f'{cls.__name__}.mode = {cls.mode!r} is neither "append" nor "upsert"')
    _check_schedule(cls)
    _check_limits(cls)
    try:
        build_schema(cls.contract(), Names())
    except ContractError as exc:
        raise DeclarationError(f"{cls.__name__}: {_without_name(cls, exc)}") from exc
    if cls.mode == "upsert":
        raise DeclarationError(
            f'{cls.__name__}.mode = "upsert" has no table yet, so nothing of it is published: '
            'write mode = "append" (readers take the newest row of a key), or wait for a later version'
        )


def is_base(cls: type[BaseConnector], siblings: Sequence[type[BaseConnector]]) -> bool:
    """Whether a class is there to be inherited from, and no source: `_Named`, or abstract on purpose.

    Abstract on purpose: it lists ABC, adds abstract methods of its own, or a sibling extends it. Any other
    abstract class is a source whose author forgot something.
    """
    if cls.__name__.startswith("_"):
        return True
    own = any(getattr(member, "__isabstractmethod__", False) for member in vars(cls).values())
    extended = any(sibling is not cls and issubclass(sibling, cls) for sibling in siblings)
    return inspect.isabstract(cls) and (own or extended or ABC in cls.__bases__)


def _without_name(cls: type[BaseConnector], error: ContractError) -> str:
    """What `schemas` says, without the source's name at its front: the class's name is said already."""
    return str(error).removeprefix(f"{source_name(cls)}: ")


def _check_name(cls: type[BaseConnector]) -> None:
    try:
        name = source_name(cls)
    except AttributeError as exc:
        raise DeclarationError(
            f"{cls.__name__}.name failed: {exc}. It is asked for before there are settings: return a constant"
        ) from exc
    if not isinstance(name, str):
        raise DeclarationError(f"{cls.__name__}.name is {name!r}, not text")
    try:
        check_source_name(name)
    except ContractError as exc:
        raise DeclarationError(str(exc)) from exc


def _check_field_names(cls: type[BaseConnector]) -> None:
    for role in ("key", "sort", "event_time", "cursor"):
        value = getattr(cls, role)
        several = role in ("key", "sort") and isinstance(value, tuple | list)
        if value is not None and not all(isinstance(each, str) for each in (value if several else [value])):
            raise DeclarationError(
                f'{cls.__name__}.{role} = {value!r} does not name a field: write it as text, such as "id"'
            )


def _check_extract(cls: type[BaseConnector]) -> None:
    if inspect.iscoroutinefunction(cls.extract) or inspect.isasyncgenfunction(cls.extract):
        raise DeclarationError(
            f"{cls.__name__}.extract is asynchronous, but sources run in threads: write `def extract`"
        )
    try:
        inspect.signature(cls.extract).bind(None, None)
    except TypeError as exc:
        raise DeclarationError(
            f"{cls.__name__}.extract must take `since`, and nothing else that has no default: "
            "def extract(self, since=None):"
        ) from exc


def _check_schedule(cls: type[BaseConnector]) -> None:
    """Ask it once: a schedule may be a class of the author's, and one that fails would stop all clocks."""
    try:
        schedule = parse_schedule(cls.schedule)
    except ScheduleError as exc:
        raise ScheduleError(f"{cls.__name__}: {exc}") from exc
    due, words = schedule.next_after(_ANY_TIME), schedule.describe()
    if not isinstance(due, datetime) or due.utcoffset() is None or due <= _ANY_TIME:
        raise DeclarationError(
            f"{cls.__name__}.schedule: next_after({_ANY_TIME}) gives {due!r}, not a later, aware datetime"
        )
    if not isinstance(words, str):
        raise DeclarationError(f"{cls.__name__}.schedule: describe() gives {words!r}, not text")
    if cls.missed not in get_args(Missed):
        raise DeclarationError(f'{cls.__name__}.missed = {cls.missed!r} is none of "once", "all" and "skip"')
    if not isinstance(cls.jitter, timedelta) or cls.jitter < timedelta(0):
        raise DeclarationError(
            f"{cls.__name__}.jitter = {cls.jitter!r} is no timedelta of zero or more, "
            "such as timedelta(minutes=2)"
        )


def _check_limits(cls: type[BaseConnector]) -> None:
    for role in ("rate_limit", "request_limit"):
        try:
            parse_rate_limits(getattr(cls, role))
        except RateLimitError as exc:
            raise RateLimitError(f"{cls.__name__}.{role}: {exc}") from exc
    if cls.upstream is None:
        return
    if not isinstance(cls.upstream, str):
        raise DeclarationError(f'{cls.__name__}.upstream = {cls.upstream!r} is not text, such as "github"')
    try:
        check_source_name(cls.upstream)
    except ContractError as exc:
        raise DeclarationError(f"{cls.__name__}.upstream is named like a source: {exc}") from exc


def _check_cursor(cls: type[BaseConnector]) -> None:
    if cls.State is not None:
        _check_state(cls)
        return
    if cls.cursor is None:
        if cls.lookback is not None:
            raise DeclarationError(f"{cls.__name__}.lookback goes back from no cursor: declare a cursor")
        if cls.ordered:
            raise DeclarationError(
                f'{cls.__name__} is `ordered` by no cursor: add cursor = "<a Record field>"'
            )
        return
    fields = cls.Record.model_fields
    if cls.cursor not in fields:
        near = get_close_matches(str(cls.cursor), fields, n=1)
        hint = f": did you mean {near[0]!r}?" if near else f"; it has {', '.join(fields)}"
        raise DeclarationError(f"{cls.__name__}.cursor = {cls.cursor!r} is no field of Record{hint}")
    if _may_be_none(fields[cls.cursor].annotation):
        raise DeclarationError(
            f"{cls.__name__}.cursor = {cls.cursor!r} may be None, which has no order: make it required"
        )


def _check_state(cls: type[BaseConnector]) -> None:
    if not _is_model(cls.State):
        raise DeclarationError(f"{cls.__name__}.State must be a pydantic model: class State(BaseModel): …")
    for member in ("cursor", "lookback"):
        if getattr(cls, member) is not None:
            raise DeclarationError(
                f"{cls.__name__} declares `State` and `{member}`: with a State, only a Checkpoint moves it"
            )
    if cls.ordered:
        raise DeclarationError(f"{cls.__name__} is `ordered` by no cursor: a State has no order")


def _check_slice(cls: type[BaseConnector]) -> None:
    if cls.slice is None:
        return
    if cls.cursor is None:
        raise DeclarationError(f"{cls.__name__}.slice is a piece of no cursor: declare a cursor")
    if not cls.takes_until():
        raise DeclarationError(
            f"{cls.__name__}.slice is of no use, as extract cannot be told where a slice ends: "
            "def extract(self, since=None, until=None):"
        )
    if not _leads_on(cls.slice, sample(cls.cursor_type())):
        raise DeclarationError(
            f"{cls.__name__}.slice = {cls.slice!r} cannot be added to the cursor {cls.cursor!r}, or leads "
            "nowhere: declare a timedelta for times (a day or more for dates), a number above 0 for numbers"
        )


def _leads_on(step: Any, value: Any) -> bool:
    """Whether `value` (None: not known) plus `step` is a later value of the same type."""
    if isinstance(step, bool) or not isinstance(step, timedelta | int | float | Decimal):
        return False
    start: Any = type(step)(0) if value is None else value
    try:
        following = start + step
        return type(following) is type(start) and bool(following > start)
    except (TypeError, ValueError, OverflowError):
        return False


def _may_be_none(annotation: Any) -> bool:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return annotation is type(None) or (union and type(None) in typing.get_args(annotation))


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _lines_to_add(cls: type, what: str, member: str) -> str:
    lines = _LINES[member].format(name=cls.__name__.removesuffix("Connector").lower())
    return f"{cls.__name__} {what}. Add to the class:\n{lines}"
