"""Slices of records to messages, and what happens to records that Avro cannot carry."""

import io
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import fastavro
import pytest
from pydantic import AwareDatetime, BaseModel, Field, NaiveDatetime, SecretStr, computed_field, create_model

from schemas.avro import build_schema
from schemas.contract import SourceContract
from schemas.encoder import RecordEncoder
from schemas.errors import ContractError, UnencodableRecordError
from schemas.names import Names
from schemas.wire import split_frame

LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001
NOW = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: float
    tags: dict[str, int] = {}


class Record(BaseModel):
    """One field of each kind that can go wrong."""

    id: str
    at: AwareDatetime = datetime(2020, 1, 1, tzinfo=UTC)
    long: int = 0
    double: float = 0.0
    flag: bool = False
    raw: bytes = b""
    local: NaiveDatetime = datetime(2020, 1, 1)  # noqa: DTZ001
    day: date = date(2020, 1, 1)
    clock: time = time(1)
    span: timedelta = timedelta()
    amount: Annotated[Decimal, Field(max_digits=5, decimal_places=2)] = Decimal(0)
    uid: UUID = UUID(int=0)
    ip: IPv4Address = IPv4Address("127.0.0.1")
    secret: SecretStr = SecretStr("s")
    colour: Colour = Colour.RED
    switch: Literal["on", "off"] = "on"
    free: Any = None
    union: int | str | None = None
    texts: list[str] = []
    unique: set[int] = set()
    scores: dict[str, float] = {}
    point: Point = Point(x=0)
    points: list[Point] = []

    @computed_field  # type: ignore[prop-decorator]
    @property
    def inverse(self) -> float:
        return 1 / (self.long + 1)


CONTRACT = SourceContract("things", Record, key=("id",), event_time="at")
SCHEMA = build_schema(CONTRACT, Names())


@pytest.fixture(scope="module")
def encoder() -> RecordEncoder:
    return RecordEncoder(CONTRACT, SCHEMA, 300)


def encode(encoder: RecordEncoder, *records: BaseModel) -> list[dict[str, bytes]]:
    return encoder.encode(records, extracted_at=NOW, run_id="run-ü")


def decoded(message: dict[str, bytes]) -> dict[str, Any]:
    schema_id, body = split_frame(message["value"])
    assert schema_id == 300
    stream = io.BytesIO(body)
    found = fastavro.schemaless_reader(stream, fastavro.parse_schema(SCHEMA), None)
    assert isinstance(found, dict)
    assert stream.read() == b""
    return found


def test_a_slice_gives_a_message_for_each_record_in_order(encoder: RecordEncoder) -> None:
    records = [Record(id=f"n:{number}", long=number) for number in range(100)]
    messages = encode(encoder, *records)
    assert [message["key"] for message in messages] == [b"n\\:%d" % number for number in range(100)]
    assert [decoded(message)["long"] for message in messages] == list(range(100))


def test_the_envelope_says_whose_when_and_which_run(encoder: RecordEncoder) -> None:
    at = datetime(2024, 7, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    found = decoded(encode(encoder, Record(id="a", at=at))[0])
    assert (found["_id"], found["_source"], found["_run_id"]) == ("a", "things", "run-ü")
    assert (found["_event_time"], found["_extracted_at"]) == (at, NOW)


def test_without_an_event_time_it_is_the_extractions() -> None:
    contract = SourceContract("things", Point)
    schema = build_schema(contract, Names())
    encoder = RecordEncoder(contract, schema, 1)
    [message] = encoder.encode([Point(x=1)], extracted_at=NOW, run_id="r")
    found = fastavro.schemaless_reader(io.BytesIO(message["value"][5:]), fastavro.parse_schema(schema), None)
    assert isinstance(found, dict)
    assert found["_event_time"] == found["_extracted_at"] == NOW


def test_an_empty_slice_is_no_messages(encoder: RecordEncoder) -> None:
    assert encode(encoder) == []


def test_a_subclass_is_published_as_what_was_declared(encoder: RecordEncoder) -> None:
    class Special(Record):
        more: int = 1

    assert "more" not in decoded(encode(encoder, Special(id="a"))[0])


def test_equal_sets_and_maps_have_equal_bytes(encoder: RecordEncoder) -> None:
    numbers = [8192 * number for number in range(40)]
    one = Record(id="a", unique=set(numbers), scores={"b": 1, "a": 2}, free={"y": 1, "x": {2, 1}})
    other = Record(id="a", unique=set(reversed(numbers)), scores={"a": 2, "b": 1}, free={"x": {1, 2}, "y": 1})
    assert encode(encoder, one) == encode(encoder, other)


def test_extremes_survive(encoder: RecordEncoder) -> None:
    record = Record(
        id="\0" * 20_000,
        long=-(2**63),
        double=-0.0,
        at=datetime(1, 1, 1, tzinfo=UTC),
        local=LATEST,
        span=timedelta(microseconds=2**63 - 1),
        texts=["x"] * 10_000,
        amount=Decimal("-999.99"),
    )
    found = decoded(encode(encoder, record)[0])
    assert found["id"] == record.id
    assert (found["long"], found["span"], len(found["texts"])) == (-(2**63), 2**63 - 1, 10_000)
    assert math.copysign(1, found["double"]) == -1
    assert (found["at"], found["local"], found["amount"]) == (record.at, LATEST, Decimal("-999.99"))


class Buffer(bytes):
    """Bytes of a class of their own are still bytes."""


def test_what_equals_a_value_is_written_as_that_value(encoder: RecordEncoder) -> None:
    odd = Record.model_construct(
        **{**Record(id="a").__dict__, "raw": Buffer(b"x"), "double": 3, "colour": "blue"}
    )
    found = decoded(encode(encoder, odd)[0])
    assert (found["raw"], found["double"], found["colour"]) == (b"x", 3.0, "blue")


UNFIT: list[tuple[str, Any, str, str]] = [
    ("id", "\ud800", "Record.id", "text that UTF-8 cannot carry"),
    ("id", 5, "Record.id", "is a int, not a str"),
    ("id", None, "Record.id", "is a NoneType"),
    ("at", datetime(2020, 1, 1).date(), "Record.at", "is a date, not a datetime"),  # noqa: DTZ001
    ("at", "2020-01-01", "Record.at", "is a str, not a datetime"),
    ("long", 2**63, "Record.long", "beyond 64 bits"),
    ("long", -(2**63) - 1, "Record.long", "beyond 64 bits"),
    ("long", "5", "Record.long", "is a str, not a int"),
    ("long", 5.5, "Record.long", "is a float, not a int"),
    ("double", "5", "Record.double", "is a str, not a float"),
    ("double", 10**400, "Record.double", "cannot be written"),
    ("flag", "yes", "Record.flag", "is a str, not a bool"),
    ("raw", "text", "Record.raw", "is a str, not a bytes"),
    ("raw", memoryview(b"ab"), "Record.raw", "is a memoryview"),
    ("local", NOW, "Record.local", "with a zone"),
    ("day", NOW, "Record.day", "is a datetime, not a date"),
    ("clock", time(1, tzinfo=timezone(timedelta(hours=1))), "Record.clock", "with an offset"),
    ("clock", time(1, tzinfo=ZoneInfo("Europe/Berlin")), "Record.clock", "depends on the date"),
    ("span", timedelta.max, "Record.span", "beyond 64 bits"),
    ("amount", Decimal("1000"), "Record.amount", "more than 5 digits with 2 after the point"),
    ("amount", Decimal("0.001"), "Record.amount", "more than 5 digits"),
    ("amount", Decimal("NaN"), "Record.amount", "finite"),
    ("amount", 1.5, "Record.amount", "is a float, not a Decimal"),
    ("uid", "x", "Record.uid", "is a str, not a UUID"),
    ("ip", "1.2.3.4", "Record.ip", "is a str, not a IPv4Address"),
    ("secret", "s", "Record.secret", "is a str, not a SecretStr"),
    ("secret", SecretStr("\udfff"), "Record.secret", "text that UTF-8 cannot carry"),
    ("colour", "green", "Record.colour", "not one of 'red', 'blue'"),
    ("colour", [], "Record.colour", "not one of"),
    ("switch", "auto", "Record.switch", "not one of"),
    ("free", float("nan"), "Record.free", "cannot be written"),
    ("free", {"a": "\ud800"}, "Record.free", "text that UTF-8 cannot carry"),
    ("free", object(), "Record.free", "cannot be written"),
    ("free", {1: 1, "1": 2}, "Record.free", "cannot be written"),
    ("union", 1.5, "Record.union", "is a float"),
    ("union", 2**64, "Record.union", "beyond 64 bits"),
    ("texts", "abc", "Record.texts", "is a str"),
    ("texts", ["a", None], "Record.texts[1]", "is a NoneType"),
    ("texts", None, "Record.texts", "is a NoneType"),
    ("unique", [1], "Record.unique", "is a list"),
    ("unique", {1, "a"}, "Record.unique[", "is a str"),
    ("scores", [("a", 1.0)], "Record.scores", "is a list"),
    ("scores", {1: 1.0}, "Record.scores[1]", "is a int, not a str"),
    ("scores", {"a": "b"}, "Record.scores['a']", "is a str"),
    ("point", {"x": 1}, "Record.point", "is a dict, not a Point"),
    ("points", [Point(x=1), Point(x=1, tags={"n": 2**63})], "Record.points[1].tags['n']", "beyond 64 bits"),
    ("long", -1, "Record.inverse", "could not be computed: ZeroDivisionError"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "path", "why"), UNFIT, ids=lambda value: str(value)[:30])
def test_a_record_that_avro_cannot_carry_is_named(
    encoder: RecordEncoder, field: str, value: Any, path: str, why: str
) -> None:
    good = Record(id="good")
    bad = Record.model_construct(**{**good.__dict__, field: value})
    with pytest.raises(UnencodableRecordError) as caught:
        encode(encoder, good, good, bad, good)
    error = caught.value
    assert error.index == 2
    assert error.path.startswith(path)
    assert why in error.why
    assert str(error).startswith("record 2 of the slice: Record")
    assert error.encoded == encode(encoder, good, good)


def test_a_record_of_another_model_is_refused(encoder: RecordEncoder) -> None:
    with pytest.raises(UnencodableRecordError, match="is a Point, not a Record"):
        encode(encoder, Point(x=1))


def test_a_field_that_is_missing_is_named(encoder: RecordEncoder) -> None:
    with pytest.raises(UnencodableRecordError, match=r"Record\.points\[0\]\.x is missing"):
        encode(encoder, Record(id="a", points=[without(Point(x=1), "x")]))


def without(record: BaseModel, field: str) -> Any:
    """The record after someone deleted a field."""
    del record.__dict__[field]
    return record


def test_the_slice_goes_on_after_a_bad_record(encoder: RecordEncoder) -> None:
    records: list[BaseModel] = [Record(id="a"), without(Record(id="b"), "at"), Record(id="c")]

    def messages() -> Iterator[dict[str, bytes]]:
        rest = records
        while rest:
            try:
                yield from encode(encoder, *rest)
                return
            except UnencodableRecordError as error:
                yield from error.encoded
                rest = rest[error.index + 1 :]

    assert [message["key"] for message in messages()] == [b"a", b"c"]


def test_a_schema_of_another_contract_is_refused() -> None:
    other = SourceContract("things", Record, key=("id", "long"), event_time="at")
    with pytest.raises(ContractError, match="does not describe Record"):
        RecordEncoder(other, SCHEMA, 1)


def test_the_deepest_model_that_is_taken_can_be_encoded() -> None:
    annotation: Any = int
    value: Any = 7
    for _ in range(14):
        annotation, value = list[annotation], [value]
    deep: type[BaseModel] = type("Deep", (BaseModel,), {"__annotations__": {"value": annotation}})
    contract = SourceContract("deep", deep)
    schema = build_schema(contract, Names())
    [message] = RecordEncoder(contract, schema, 1).encode([deep(value=value)], extracted_at=NOW, run_id="r")
    found = fastavro.schemaless_reader(io.BytesIO(message["value"][5:]), fastavro.parse_schema(schema), None)
    assert isinstance(found, dict)
    assert found["value"] == value


def test_hostile_names_of_fields_stay_names() -> None:
    names = ["class", "record", "join", "1x", 'a"]; import os #', "größe", "Å"]
    fields: dict[str, Any] = {
        name: (int, Field(serialization_alias=f"f{place}")) for place, name in enumerate(names)
    }
    model: type[BaseModel] = create_model("Record", **fields)
    contract = SourceContract("hostile", model, key=("class",))
    schema = build_schema(contract, Names())
    records = [model(**{name: place for place, name in enumerate(names)})]
    [message] = RecordEncoder(contract, schema, 1).encode(records, extracted_at=NOW, run_id="r")
    found = fastavro.schemaless_reader(io.BytesIO(message["value"][5:]), fastavro.parse_schema(schema), None)
    assert isinstance(found, dict)
    assert [found[f"f{place}"] for place in range(len(names))] == list(range(len(names)))
