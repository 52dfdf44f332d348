"""The conformance check finds what authors get wrong, and passes what is right."""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import AwareDatetime, BaseModel, ValidationError

from connectors import BaseConnector
from connectors.errors import ConnectorSettingsError, DeclarationError
from connectors.testing import ConformanceError, check_connector

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Good(BaseConnector):
    """Ten records, an hour apart."""

    name = "good"
    key = "id"
    cursor = "at"
    ordered: ClassVar[bool] = True

    class Record(BaseModel):
        id: int
        at: AwareDatetime

    def extract(self, since: Any = None) -> Iterator[Any]:
        for number in range(10):
            at = NOON + timedelta(hours=number)
            if since is None or at >= since:
                yield {"id": number, "at": at}


def test_a_good_source_passes_and_its_records_come_back() -> None:
    records = check_connector(Good)
    assert [record.id for record in records] == [str(number) for number in range(10)]
    assert records[0].source == "good"


def test_items_are_checked_without_fetching() -> None:
    class Fetching(Good):
        def extract(self, since: Any = None) -> Iterator[Any]:
            raise AssertionError("fetched")
            yield

    (record,) = check_connector(Fetching, items=[{"id": 7, "at": NOON}])
    assert record.id == "7"


def test_a_wrong_declaration_and_wrong_settings_are_found() -> None:
    class Bad(Good):
        schedule = "hourly"

    class Needy(Good):
        class Settings(BaseModel):
            token: str

    with pytest.raises(DeclarationError, match="hourly"):
        check_connector(Bad)
    with pytest.raises(ConnectorSettingsError, match="INGEST_SOURCES__GOOD__TOKEN"):
        check_connector(Needy)
    assert check_connector(Needy, settings={"token": "x"})


def hostile(**members: Any) -> type[BaseConnector]:
    return type("Hostile", (Good,), members)


def endless(_: Any, since: Any = None) -> Iterator[Any]:
    for number in itertools.count():
        at = NOON + timedelta(seconds=number)
        if since is None or at >= since:
            yield {"id": number, "at": at}


def torn(_: Any, since: Any = None) -> Iterator[Any]:
    yield {"id": 1, "at": NOON}
    raise ConnectionResetError("torn")


def quitting(_: Any, since: Any = None) -> Iterator[Any]:
    yield {"id": 1, "at": NOON}
    sys.exit(0)


def clinging(_: Any, since: Any = None) -> Iterator[Any]:
    try:
        for number in itertools.count():
            yield {"id": number, "at": NOON}
    except GeneratorExit:
        yield {"id": -1, "at": NOON}


def exclusive(_: Any, since: Any = None) -> Iterator[Any]:
    for item in Good().extract():
        if since is None or item["at"] > since:
            yield item


def early(_: Any, since: Any = None, until: Any = None) -> Iterator[Any]:
    """Ends an hour before it is told to."""
    yield from (item for item in Good().extract(since) if until is None or item["at"] + HOUR < until)


def backwards(_: Any, since: Any = None) -> Iterator[Any]:
    yield from reversed(list(Good().extract(since)))


def doubled(_: Any, since: Any = None) -> Iterator[Any]:
    for number in range(4):
        yield {"id": number // 2, "at": NOON + timedelta(hours=number)}


def empty(_: Any, since: Any = None) -> Iterator[Any]:
    yield from ()


class Drifting:
    """A transform that never gives the same twice."""

    count = 0

    def __call__(self, item: Any) -> BaseModel:
        self.count += 1
        return Good.Record(id=self.count, at=NOON)


def test_an_endless_source_is_cut_at_the_limit() -> None:
    assert len(check_connector(hostile(extract=endless), limit=50)) == 50


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"extract": exclusive}, r"leaves out 1 records at or after it: `since` is inclusive.*id=5"),
        ({"extract": early}, r"until=.* leaves out 1 records between the two.*id=4"),
        ({"extract": backwards}, "`ordered` is declared, but at .* came before"),
        ({"extract": doubled}, "two records have the id '0'"),
        ({"extract": empty}, "there is nothing to check"),
        (
            {"extract": lambda self, since=None: [{"id": 1, "at": NOON}]},
            "extract returns a list",
        ),
        ({"transform": lambda self, item: dict(item)}, "transform gives dict and not Record"),
        ({"transform": staticmethod(Drifting())}, "two different records for the same item"),
    ],
)
def test_broken_promises_are_named(members: dict[str, Any], message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        check_connector(hostile(**members), limit=20)


def test_an_end_may_be_inclusive_and_of_a_single_instant_nothing_is_asked() -> None:
    def inclusive(_: Any, since: Any = None, until: Any = None) -> Iterator[Any]:
        yield from (item for item in Good().extract(since) if until is None or item["at"] <= until)

    def instant(_: Any, since: Any = None, until: Any = None) -> Iterator[Any]:
        assert until is None
        yield {"id": 1, "at": NOON}

    assert len(check_connector(hostile(extract=inclusive))) == 10
    assert len(check_connector(hostile(extract=instant))) == 1


def test_backwards_is_fine_if_it_is_not_declared_ordered() -> None:
    assert len(check_connector(hostile(extract=backwards, ordered=False))) == 10


@pytest.mark.parametrize(
    ("extract", "error", "message"),
    [
        (torn, ConnectionResetError, "torn"),
        (quitting, SystemExit, "0"),
        (clinging, RuntimeError, "ignored GeneratorExit"),
    ],
)
def test_what_a_hostile_stream_raises_comes_out(
    extract: Any, error: type[BaseException], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_connector(hostile(extract=extract), limit=5)


@pytest.mark.parametrize("garbage", [None, 5, [], {"id": "x", "at": NOON}, {"id": 1, "at": "2026-11-22"}])
def test_garbage_is_shown_as_pydantic_shows_it(garbage: Any) -> None:
    with pytest.raises(ValidationError):
        check_connector(Good, items=[garbage])
