"""Which changes of a model readers survive: our words and the official package's verdict agree."""

import json
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import avro.schema
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from pydantic import BaseModel, Field, create_model

from schemas.avro import build_schema
from schemas.contract import SourceContract
from schemas.differences import differences
from schemas.names import Names
from tests.contract.schemas.kinds import KINDS

# The official package reads what it does not know as the plain type, and says so.
pytestmark = pytest.mark.filterwarnings("ignore::avro.errors.IgnoredLogicalType")


class Place(BaseModel):
    lat: float


class Wider(BaseModel):
    lat: float
    name: str | None = None


class Stricter(BaseModel):
    lat: float
    name: str


class Spot(BaseModel):
    lat: float


class Two(StrEnum):
    A = "a"
    B = "b"


class Three(StrEnum):
    A = "a"
    B = "b"
    C = "c"


Fields = dict[str, Any]


def schema(fields: Fields) -> dict[str, Any]:
    # A nested class that stands for a later state of another one bears its name.
    model: type[BaseModel] = create_model("Record", **fields)
    text = json.dumps(build_schema(SourceContract("s", model), Names()))
    for name, alias in (("Wider", "Place"), ("Stricter", "Place"), ("Three", "Two")):
        text = text.replace(f'"{name}"', f'"{alias}"')
    found: dict[str, Any] = json.loads(text)
    return found


def verdict(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether the official package lets `new` read what `old` wrote."""
    pair = (avro.schema.parse(json.dumps(new)), avro.schema.parse(json.dumps(old)))
    result = ReaderWriterCompatibilityChecker().get_compatibility(*pair)  # type: ignore[no-untyped-call]
    return bool(result.compatibility is SchemaCompatibilityType.compatible)


BASE: Fields = {"id": (str, ...), "value": (float, ...)}
MONEY = Annotated[Decimal, Field(max_digits=9, decimal_places=2)]
FINE = Annotated[Decimal, Field(max_digits=9, decimal_places=3)]

COMPATIBLE: list[tuple[str, Fields, Fields]] = [
    ("an optional field is added", BASE, {**BASE, "more": (int | None, None)}),
    ("an optional model is added", BASE, {**BASE, "more": (Place | None, None)}),
    ("a field with a default is added", BASE, {**BASE, "more": (list[str], [])}),
    ("an enum with a default is added", BASE, {**BASE, "more": (Two, Two.A)}),
    ("a field is removed", {**BASE, "more": (int, ...)}, BASE),
    ("fields change places", BASE, dict(reversed(BASE.items()))),
    ("a field becomes optional", {"x": (int, ...)}, {"x": (int | None, None)}),
    ("an optional field gets another default", {"x": (int | None, None)}, {"x": (int | None, 5)}),
    ("a long becomes a double", {"x": (int, ...)}, {"x": (float, ...)}),
    ("a union grows", {"x": (int | str, ...)}, {"x": (int | str | bool, ...)}),
    ("an enum grows", {"x": (Two, ...)}, {"x": (Three, ...)}),
    ("a model gains an optional field", {"x": (list[Place], ...)}, {"x": (list[Wider], ...)}),
    ("a Literal becomes free text", {"x": (Literal["a"], ...)}, {"x": (str, ...)}),
    ("text becomes bytes", {"x": (str, ...)}, {"x": (bytes, ...)}),
]

INCOMPATIBLE: list[tuple[str, Fields, Fields, str]] = [
    ("a required field is added", BASE, {**BASE, "more": (int, ...)}, "Record.more is new"),
    ("a type changes", {"x": (int, ...)}, {"x": (str, ...)}, "Record.x was long, and now is string"),
    ("a double becomes a long", {"x": (float, ...)}, {"x": (int, ...)}, "Record.x was double"),
    ("an option is dropped", {"x": (int | None, ...)}, {"x": (int, ...)}, "Record.x may be null"),
    ("a union shrinks", {"x": (int | str, ...)}, {"x": (int, ...)}, "Record.x was string, and now is long"),
    ("an enum shrinks", {"x": (Three, ...)}, {"x": (Two, ...)}, "Record.x no longer has c"),
    ("a model grows", {"x": (list[Place], ...)}, {"x": (list[Stricter], ...)}, "Record.x[].name is new"),
    ("a model is renamed", {"x": (Place, ...)}, {"x": (Spot, ...)}, "Record.x was named Place"),
    ("an array becomes a map", {"x": (list[int], ...)}, {"x": (dict[str, int], ...)}, "Record.x was array"),
    ("items change", {"x": (dict[str, int], ...)}, {"x": (dict[str, bool], ...)}, "Record.x[] was long"),
    ("an option changes", {"x": (int | None, ...)}, {"x": (bool | None, ...)}, "Record.x was long"),
]  # fmt: skip

MEANING: list[tuple[str, Fields, Fields, str]] = [
    ("a decimal gets another scale", {"x": (MONEY, ...)}, {"x": (FINE, ...)}, "now is bytes (decimal, 9, 3)"),
    ("text becomes JSON", {"x": (str, ...)}, {"x": (Any, ...)}, "was string, and now is string (json)"),
    ("text becomes a UUID", {"x": (str, ...)}, {"x": (UUID, ...)}, "now is string (uuid)"),
]  # fmt: skip


def _named(value: Any) -> str:
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(("change", "old", "new"), COMPATIBLE, ids=_named)
def test_a_change_that_readers_survive(change: str, old: Fields, new: Fields) -> None:
    assert verdict(schema(new), schema(old))
    assert [str(item) for item in differences(schema(new), schema(old))] == []


@pytest.mark.parametrize(("change", "old", "new", "words"), INCOMPATIBLE, ids=_named)
def test_a_change_that_breaks_readers_is_told_by_its_field(
    change: str, old: Fields, new: Fields, words: str
) -> None:
    assert not verdict(schema(new), schema(old))
    [found] = differences(schema(new), schema(old))
    assert str(found).startswith(words)
    assert not found.meaning
    assert found.advice


@pytest.mark.parametrize(("change", "old", "new", "words"), MEANING, ids=_named)
def test_a_change_of_meaning_is_told_although_avro_reads_on(
    change: str, old: Fields, new: Fields, words: str
) -> None:
    [found] = differences(schema(new), schema(old))
    assert found.meaning
    assert words in str(found)


def test_every_schema_reads_itself() -> None:
    whole = schema(
        {**BASE, "a": (Place, ...), "b": (list[Place | Two] | None, None), "c": (dict[str, Two], {})}
    )
    assert differences(whole, whole) == []


def test_a_renamed_field_is_found_by_its_alias() -> None:
    old = schema({"temp": (float, ...)})
    new = schema({"temperature": (float, Field(validation_alias="temp"))})
    assert verdict(new, old)
    assert differences(new, old) == []


def test_an_optional_field_can_always_be_added() -> None:
    """Every supported optional kind, added to a model, reads records written before."""
    old = schema(BASE)
    for name, kind in KINDS.items():
        annotation = kind.annotation if name == "json" else kind.annotation | None
        new = schema({**BASE, "more": (annotation, None)})
        assert verdict(new, old), name
        assert differences(new, old) == [], name
