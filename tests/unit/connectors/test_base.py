"""The contract in action: extract, transform, envelope; cursors; what a misbehaving source does to a run."""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import AwareDatetime, BaseModel, NaiveDatetime, ValidationError

import connectors
from connectors import BaseConnector
from connectors.errors import RecordError, SinceError

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Prices(BaseConnector):
    """Prices of things."""

    name = "prices"
    key = "id"
    event_time = "at"
    cursor = "at"

    class Record(BaseModel):
        id: int
        at: AwareDatetime

    class Settings(BaseModel):
        count: int = 3

    settings: Settings

    def extract(self, since: Any = None) -> Iterator[dict[str, Any]]:
        for number in range(self.settings.count):
            at = NOON.replace(hour=number)
            if since is None or at >= since:
                yield {"id": number, "at": at.isoformat()}


def since_of(kind: Any, text: Any) -> Any:
    """`text` as a value of a cursor field of this type."""

    class Record(BaseModel):
        at: kind

    kinds: Any = type("Kind", (Prices,), {"Record": Record})
    return kinds.parse_since(text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (AwareDatetime, "2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        (AwareDatetime, "2026-01-31T08:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        (AwareDatetime, "2026-01-31T08:00:00+02:00", datetime(2026, 1, 31, 6, tzinfo=UTC)),
        (AwareDatetime, date(2026, 1, 31), datetime(2026, 1, 31, tzinfo=UTC)),
        (NaiveDatetime, "2026-01-31", datetime(2026, 1, 31)),  # noqa: DTZ001 - the type has no zone
        (date, "2026-01-31", date(2026, 1, 31)),
        (int, "5", 5),
        (str, "5", "5"),
    ],
)
def test_a_typed_since_is_read_as_people_write_it_and_without_a_zone_means_utc(
    kind: Any, text: Any, value: Any
) -> None:
    assert since_of(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (AwareDatetime, "yesterday", "such as 2026-01-31 or 2026-01-31T08:00:00Z"),
        (AwareDatetime, "5", "a bare number is no time; write it such as 2026-01-31 or 2026-01-31T08:00:00Z"),
        (datetime, "1700000000", "a bare number is no time"),
        (NaiveDatetime, "2026-01-31T08:00:00Z", "such as 2026-01-31 or 2026-01-31T08:00:00"),
        (date, "5", "such as 2026-01-31$"),
        (int, "2026-01-31", "such as 1000$"),
    ],
)
def test_a_since_of_the_wrong_form_is_refused_with_one_of_the_right_form(
    kind: Any, text: str, said: str
) -> None:
    with pytest.raises(SinceError, match=said):
        since_of(kind, text)


def test_run_wraps_each_record() -> None:
    (first, second, third) = Prices().run(run_id="r1", clock=lambda: NOON)
    assert (first.id, first.source, first.run_id) == ("0", "prices", "r1")
    assert first.event_time == NOON.replace(hour=0)
    assert first.extracted_at == NOON
    assert isinstance(first.payload, Prices.Record)
    assert [second.id, third.id] == ["1", "2"]


def test_each_run_has_an_id_of_its_own() -> None:
    one, other = (next(Prices().run()).run_id for _ in range(2))
    assert one != other


def test_since_is_inclusive_and_may_be_text() -> None:
    for since in (NOON.replace(hour=1), "2026-11-22T01:00:00Z", "2026-11-22T02:00:00+01:00"):
        assert [record.id for record in Prices().run(since)] == ["1", "2"]


@pytest.mark.parametrize("since", ["yesterday", "2026-13-22T01:00:00", "2026-02-30", "5", "-1.5e3", [1]])
def test_a_since_that_does_not_fit_is_named(since: Any) -> None:
    with pytest.raises(SinceError, match="prices's cursor field `at`"):
        next(Prices().run(since))


def test_a_since_for_a_source_without_cursor_is_refused() -> None:
    class Plain(BaseConnector):
        name = "plain"
        Record = Prices.Record

        def extract(self, since: Any = None) -> Iterator[dict[str, Any]]:
            yield {"id": 1, "at": NOON}

    assert len(list(Plain().run())) == 1
    with pytest.raises(SinceError, match="plain declares no cursor"):
        next(Plain().run("2026-11-22T01:00:00Z"))


def test_cursors_survive_a_trip_through_json() -> None:
    adapter = Prices.cursor_type()
    assert Prices.parse_since(adapter.dump_python(NOON, mode="json")) == NOON


def test_the_contract_is_readable_from_the_class_and_from_an_instance() -> None:
    class Renamed(Prices):
        @property
        def name(self) -> str:  # type: ignore[override]
            return "renamed"

    assert Renamed.contract().source == Renamed().contract().source == "renamed"
    assert (Renamed.contract().key, Prices.contract().doc) == (("id",), "Prices of things.")


def test_settings_are_the_declared_ones() -> None:
    assert Prices().settings == Prices.Settings(count=3)
    assert len(list(Prices(Prices.Settings(count=1)).run())) == 1

    class Needy(Prices):
        class Settings(Prices.Settings):
            token: str

    with pytest.raises(ValidationError, match="token"):
        Needy()


def test_an_item_that_does_not_fit_is_named_with_its_place() -> None:
    class Garbage(Prices):
        def extract(self, since: Any = None) -> Iterator[Any]:
            yield {"id": 1, "at": NOON}
            yield {"id": "one", "at": NOON}

    records = Garbage().run()
    assert next(records).id == "1"
    with pytest.raises(RecordError, match=r"(?s)prices: item 2 is no Record: .*id") as caught:
        next(records)
    assert isinstance(caught.value.__cause__, ValidationError)


@pytest.mark.parametrize("item", [None, 5, "text", [], {"id": float("nan"), "at": NOON}, {"id": 1}, object()])
def test_garbage_is_a_rejected_record_and_nothing_else(item: Any) -> None:
    class Garbage(Prices):
        def extract(self, since: Any = None) -> Iterator[Any]:
            yield item

    with pytest.raises(RecordError):
        next(Garbage().run())


def test_an_error_in_mid_stream_keeps_what_came_before() -> None:
    class Torn(Prices):
        def extract(self, since: Any = None) -> Iterator[Any]:
            yield {"id": 1, "at": NOON}
            raise ConnectionResetError("torn")

    records = Torn().run()
    assert next(records).id == "1"
    with pytest.raises(ConnectionResetError, match="torn"):
        next(records)


def test_sys_exit_in_a_stream_is_not_mistaken_for_its_end() -> None:
    class Quitter(Prices):
        def extract(self, since: Any = None) -> Iterator[Any]:
            yield {"id": 1, "at": NOON}
            sys.exit(0)

    with pytest.raises(SystemExit):
        list(Quitter().run())


def test_an_endless_stream_is_taken_lazily_and_closed_when_left() -> None:
    closed: list[int] = []

    class Endless(Prices):
        def extract(self, since: Any = None) -> Iterator[Any]:
            try:
                for number in itertools.count():
                    yield {"id": number, "at": NOON}
            finally:
                closed.append(1)

    records = Endless().run()
    assert [record.id for record in itertools.islice(records, 2)] == ["0", "1"]
    assert closed == []
    del records
    assert closed == [1]


def test_an_abstract_source_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="abstract"):
        BaseConnector()  # type: ignore[abstract]


def test_what_authors_import_is_what_is_promised() -> None:
    public = {name for name, value in vars(connectors).items() if not name.startswith("_")}
    submodules = {name for name in public if f"connectors.{name}" in sys.modules}
    assert public - submodules == set(connectors.__all__)
