"""Key, sort columns, event time and mode against the record; ids; the envelope."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, NaiveDatetime

from schemas.avro import build_schema
from schemas.contract import SourceContract, data_record, record_id
from schemas.errors import ContractError, UnfitValueError, UnmappableFieldError
from schemas.names import Names
from schemas.records import JobPayload

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Record(BaseModel):
    """Hourly weather."""

    place: str = Field(serialization_alias="station")
    at: datetime
    local: NaiveDatetime = datetime(2020, 1, 1)  # noqa: DTZ001
    day: date = date(2020, 1, 1)
    number: int = 0
    amount: Annotated[Decimal, Field(max_digits=5, decimal_places=2)] = Decimal("1.5")
    uid: UUID = UUID(int=5)
    wet: bool = False
    raw: bytes = b"\xff"
    temperature: float = 0.0
    maybe: int | None = None
    tags: list[str] = []
    free: Any = None


def contract(**parts: Any) -> SourceContract:
    return SourceContract("weather", Record, **parts)


def test_the_schema_tells_the_consumer_mode_sort_and_key_by_their_wire_names() -> None:
    schema = build_schema(contract(key=("place", "at"), sort=("day", "place"), event_time="at"), Names("x"))
    assert (schema["namespace"], schema["name"], schema["doc"]) == ("x.weather", "Record", "Hourly weather.")
    assert schema["ingest"] == {"mode": "append", "sort": ["day", "station"], "key": ["station", "at"]}
    assert [field["name"] for field in schema["fields"]][:6] == [
        "_id", "_source", "_event_time", "_extracted_at", "_run_id", "station",
    ]  # fmt: skip


def test_the_contracts_own_doc_goes_before_the_models() -> None:
    assert build_schema(contract(doc="Rain."), Names())["doc"] == "Rain."


@pytest.mark.parametrize("role", ["key", "sort"])
@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("temperature", "plain value"),
        ("maybe", "may be None"),
        ("tags", "plain value"),
        ("free", "plain value"),
    ],
)
def test_key_and_sort_take_plain_values_that_are_always_there(role: str, field: str, words: str) -> None:
    with pytest.raises(UnmappableFieldError, match=words) as caught:
        build_schema(contract(**{role: (field,)}), Names())
    assert caught.value.path == f"Record.{field}"


@pytest.mark.parametrize("field", ["place", "day", "local", "maybe"])
def test_the_event_time_is_an_instant(field: str) -> None:
    with pytest.raises(UnmappableFieldError, match="AwareDatetime"):
        build_schema(contract(event_time=field), Names())


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"key": ("plaec",)}, "did you mean 'place'?"),
        ({"sort": ("zzz",)}, "it has place, at,"),
        ({"event_time": "when"}, "the event time names 'when'"),
        ({"mode": "upsert"}, "declare a key"),
        ({"mode": "upsert", "key": ("place",), "sort": ("day",)}, "declare no sort columns"),
    ],
)
def test_a_contract_that_does_not_fit_is_refused(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(ContractError, match=re.escape(words)):
        build_schema(contract(**parts), Names())


AT = datetime(2024, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        (("place",), {"place": "Berlin"}, "Berlin"),
        (("place",), {"place": "a:b\\c"}, "a\\:b\\\\c"),
        (("place", "at"), {"place": "x"}, "x:2023-12-31T23:30:00Z"),
        (("at",), {"at": AT.replace(microsecond=70)}, "2023-12-31T23:30:00.000070Z"),
        (("at",), {"at": datetime(2024, 1, 1)}, "2024-01-01T00:00:00Z"),  # noqa: DTZ001
        (("local",), {}, "2020-01-01T00:00:00"),
        (("day", "number"), {"number": -5}, "2020-01-01:-5"),
        (("amount",), {}, "1.50"),
        (("amount",), {"amount": Decimal("-0.5")}, "-0.50"),
        (("uid",), {}, "00000000-0000-0000-0000-000000000005"),
        (("wet", "raw"), {"wet": True}, "true:ff"),
    ],
)
def test_the_id_is_the_keys_texts(key: tuple[str, ...], values: dict[str, Any], expected: str) -> None:
    record = Record.model_validate({"place": "p", "at": AT, **values})
    assert record_id(contract(key=key), record) == expected


def test_texts_that_would_join_alike_have_different_ids() -> None:
    class Pair(BaseModel):
        a: str
        b: str

    both = SourceContract("pairs", Pair, key=("a", "b"))
    pairs = [("x:", "y"), ("x", ":y"), ("x:y", ""), ("x\\", "y"), ("x\\:y", ""), ("x", "y")]
    assert len({record_id(both, Pair(a=a, b=b)) for a, b in pairs}) == len(pairs)


def test_without_a_key_the_id_is_a_hash_of_the_payload() -> None:
    record = Record(place="x", at=AT)
    assert re.fullmatch("[0-9a-f]{32}", record_id(contract(), record))
    assert record_id(contract(), record) == record_id(contract(), Record(place="x", at=AT.astimezone(UTC)))
    assert record_id(contract(), record) != record_id(contract(), Record(place="y", at=AT))


def test_a_key_that_cannot_be_carried_is_refused() -> None:
    with pytest.raises(UnfitValueError, match=r"Record\.place is text that UTF-8 cannot carry"):
        record_id(contract(key=("place",)), Record(place="\ud800", at=AT))


def test_the_envelope_takes_the_declared_event_time_or_the_extractions() -> None:
    record = Record(place="x", at=AT)
    timed = data_record(contract(key=("place",), event_time="at"), record, extracted_at=NOW, run_id="r")
    assert (timed.id, timed.event_time, timed.payload) == ("x", AT, record)
    assert data_record(contract(), record, extracted_at=NOW, run_id="r").event_time == NOW


def test_a_naive_event_time_is_read_as_utc() -> None:
    record = Record(place="x", at=datetime(2024, 1, 1))  # noqa: DTZ001
    wrapped = data_record(contract(event_time="at"), record, extracted_at=NOW, run_id="r")
    assert wrapped.event_time == datetime(2024, 1, 1, tzinfo=UTC)


def test_the_payload_keeps_its_own_fields_in_json() -> None:
    wrapped = data_record(
        contract(key=("place",)), Record(place="x", at=AT, raw=b"y"), extracted_at=NOW, run_id="r"
    )
    assert wrapped.model_dump(mode="json")["payload"]["place"] == "x"


def test_a_job_has_an_id_of_its_own_and_refuses_what_it_does_not_know() -> None:
    first, second = JobPayload(source="weather"), JobPayload(source="weather")
    assert first.job_id != second.job_id
    assert (first.since, first.attempt, first.not_before) == (None, 1, None)
    with pytest.raises(ValueError, match="sinse"):
        JobPayload.model_validate({"source": "weather", "sinse": 3})
