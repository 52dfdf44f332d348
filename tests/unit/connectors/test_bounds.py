"""The bounds of a backfill as people type them, and the slices that a connector may declare."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pytest
from pydantic import AwareDatetime, BaseModel, Field

from connectors import BaseConnector
from connectors.bounds import parse_bounds
from connectors.declaration import check_declaration
from connectors.errors import DeclarationError, SinceError, UntilError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Record(BaseModel):
    at: AwareDatetime
    plain: datetime = datetime.min  # noqa: DTZ901 - both kinds are meant
    day: date = date.min
    number: int = 0
    price: Annotated[Decimal, Field(max_digits=9, decimal_places=2)] = Decimal(0)
    late: Annotated[int, Field(ge=10**6)] = 10**6
    text: str = ""


class Timed(BaseConnector):
    name = "timed"
    cursor: ClassVar[str | None] = "at"
    Record = Record

    def extract(self, since: Any = None, until: Any = None) -> Iterator[Any]:
        yield from ()


class Endless(Timed):
    def extract(self, since: Any = None) -> Iterator[Any]:  # type: ignore[override]
        yield from ()


class State(BaseModel):
    page: int = 0


def declaring(base: type[BaseConnector] = Timed, **declared: Any) -> type[BaseConnector]:
    return type(base.__name__, (base,), declared)


def test_bounds_are_values_of_the_cursor_s_type() -> None:
    first, last = parse_bounds(Timed, "2026-01-01", "2026-02-01T00:00:00+02:00")
    assert (first, last) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, 22, tzinfo=UTC))
    assert parse_bounds(declaring(cursor="number"), "3", 7) == (3, 7)
    assert parse_bounds(Timed, None, None) == (None, None)
    assert parse_bounds(Timed, "2026-01-01", None) == (first, None)


@pytest.mark.parametrize(
    ("declared", "since", "until", "said"),
    [
        ({}, None, "2026-02-01", "until='2026-02-01' needs a `since`"),
        ({}, "2026-01-01", "1000", "until='1000' is no value of timed's cursor field `at`"),
        ({}, "2026-02-01", "2026-02-01", "is not before until="),
        ({}, "2026-02-02", "2026-02-01", "is not before until="),
        ({"cursor": "plain"}, "2026-01-01", "2026-02-01T00:00:00Z", "with a time zone or none"),
        ({"cursor": None}, "2026-01-01", "2026-02-01", "declares no cursor"),
        ({"cursor": None, "State": State}, {"page": 1}, {"page": 2}, "keeps a State, which has no order"),
    ],
)
def test_what_bounds_nothing_is_refused_with_words(
    declared: dict[str, Any], since: Any, until: Any, said: str
) -> None:
    with pytest.raises(UntilError, match=said):
        parse_bounds(declaring(**declared), since, until)


def test_a_since_that_cannot_be_read_is_told_as_one() -> None:
    with pytest.raises(SinceError, match="since='noon' is no value") as caught:
        parse_bounds(Timed, "noon", "2026-02-01")
    assert not isinstance(caught.value, UntilError)


@pytest.mark.parametrize(
    ("cursor", "step"),
    [
        ("at", timedelta(hours=6)),
        ("plain", timedelta(seconds=1)),
        ("day", timedelta(days=7)),
        ("number", 1000),
        ("price", Decimal("0.5")),
        ("late", 10),
    ],
)
def test_a_slice_leads_the_cursor_on(cursor: str, step: Any) -> None:
    check_declaration(declaring(cursor=cursor, slice=step))


@pytest.mark.parametrize(
    ("cursor", "step"),
    [
        ("at", timedelta(0)),
        ("at", -timedelta(days=1)),
        ("at", 3600),
        ("at", "1d"),
        ("day", timedelta(hours=6)),
        ("number", 0),
        ("number", 0.5),
        ("number", True),
        ("number", timedelta(1)),
        ("late", -10),
        ("text", 1),
    ],
)
def test_a_slice_that_leads_nowhere_is_refused(cursor: str, step: Any) -> None:
    with pytest.raises(DeclarationError, match=r"Timed.slice = .* declare a timedelta for times"):
        check_declaration(declaring(cursor=cursor, slice=step))


def test_a_slice_needs_a_cursor_and_an_end_that_extract_is_told() -> None:
    with pytest.raises(DeclarationError, match="a piece of no cursor"):
        check_declaration(declaring(cursor=None, slice=1))
    with pytest.raises(DeclarationError, match="until=None"):
        check_declaration(declaring(Endless, slice=timedelta(days=1)))
    assert Timed.takes_until()
    assert not Endless.takes_until()


def test_an_end_without_default_is_refused() -> None:
    class Needing(Timed):
        def extract(self, since: Any, until: Any) -> Iterator[Any]:  # type: ignore[override]
            yield from ()

    with pytest.raises(DeclarationError, match="nothing else that has no default"):
        check_declaration(Needing)
