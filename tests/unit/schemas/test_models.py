"""Fields, names, aliases and docs of models; what of pydantic is refused."""

from enum import StrEnum
from typing import Any

import fastavro
import pytest
from pydantic import (
    AliasChoices,
    AliasGenerator,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    computed_field,
    create_model,
    field_serializer,
    model_serializer,
)
from pydantic.alias_generators import to_camel

from schemas.avro import build_schema
from schemas.avro_types import field_types
from schemas.contract import SourceContract
from schemas.errors import UnmappableFieldError
from schemas.models import payload_record
from schemas.names import Names


def declared(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """The Avro fields of a model by name."""
    fields = field_types(payload_record(model).fields, model.__name__, "ns")
    return {field["name"]: field for field in fields}


def refused(model: type[BaseModel]) -> UnmappableFieldError:
    with pytest.raises(UnmappableFieldError) as caught:
        declared(model)
    return caught.value


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    """Where."""

    lat: float
    lon: float = 0


def test_docs_come_from_docstring_and_description() -> None:
    class Record(BaseModel):
        """Weather.

        By the hour.
        """

        place: Place = Field(description="Station")

    assert payload_record(Record).doc == "Weather.\n\nBy the hour."
    place = declared(Record)["place"]
    assert (place["doc"], place["type"]["doc"]) == ("Station", "Where.")


def test_a_model_used_twice_is_defined_once() -> None:
    class Record(BaseModel):
        here: Place
        there: list[Place]
        colour: Colour
        other: Colour | None

    fields = declared(Record)
    assert fields["here"]["type"]["name"] == "Place"
    assert fields["there"]["type"]["items"] == "ns.Place"
    assert fields["other"]["type"] == ["null", "ns.Colour"]


def test_two_models_of_one_name_are_told_apart_and_the_first_keeps_its_name() -> None:
    class Inner(BaseModel):
        class Place(BaseModel):
            name: str

        place: Place

    class Record(BaseModel):
        place: Place
        inner: Inner

    fields = declared(Record)
    assert fields["place"]["type"]["name"] == "Place"
    inner = fields["inner"]["type"]["fields"][0]["type"]["name"]
    assert inner.endswith("Inner_Place")


@pytest.mark.parametrize("name", ["Record", "string", "Größe"])
def test_a_nested_model_gets_a_legal_name_of_its_own(name: str) -> None:
    inner: type[BaseModel] = create_model(name, x=(int, ...))
    outer: type[BaseModel] = create_model("Outer", inner=(inner, ...))
    schema = build_schema(SourceContract("s", outer), Names())
    given = schema["fields"][-1]["type"]["name"]
    assert given not in ("Record", "string")
    fastavro.parse_schema(schema)


def test_names_on_the_wire_are_pythons_unless_the_author_chose_another() -> None:
    class Record(BaseModel):
        temperature: float = Field(alias="tempC")
        wind: float = Field(serialization_alias="wind_speed")
        rain: float = Field(validation_alias=AliasChoices("precip", AliasPath("a", "b"), "mm-rain", "wind"))

    fields = declared(Record)
    assert list(fields) == ["temperature", "wind_speed", "rain"]
    assert fields["temperature"]["aliases"] == ["tempC"]
    assert "aliases" not in fields["wind_speed"]
    assert fields["rain"]["aliases"] == ["precip", "wind"]


def test_an_alias_never_takes_the_name_of_another_field() -> None:
    class Record(BaseModel):
        a: int = Field(validation_alias="b")
        b: int = Field(validation_alias="a")
        c: int = Field(validation_alias=AliasChoices("x"))
        d: int = Field(validation_alias=AliasChoices("x", "y"))

    fields = declared(Record)
    assert [field.get("aliases") for field in fields.values()] == [None, None, ["x"], ["y"]]


def test_alias_generators_tell_how_others_spell_names() -> None:
    class Camel(BaseModel):
        model_config = ConfigDict(alias_generator=to_camel)
        wind_speed: float

        @computed_field
        def wind_force(self) -> int:
            return 1

    class Chosen(BaseModel):
        model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=to_camel))
        wind_speed: float

    assert list(declared(Camel)) == ["wind_speed", "wind_force"]
    assert declared(Camel)["wind_speed"]["aliases"] == ["windSpeed"]
    assert list(declared(Chosen)) == ["windSpeed"]


def test_computed_fields_come_last_and_excluded_and_private_ones_not_at_all() -> None:
    class Record(BaseModel):
        x: int
        secret: int = Field(exclude=True)
        _cache: int = PrivateAttr(0)

        @computed_field(description="Twice")  # type: ignore[prop-decorator]
        @property
        def double(self) -> int | None:
            return None

    assert declared(Record)["double"] == {
        "name": "double", "type": ["null", "long"], "default": None, "doc": "Twice",
    }  # fmt: skip
    assert list(declared(Record)) == ["x", "double"]


class Node(BaseModel):
    children: "list[Node]"


class Extra(BaseModel):
    model_config = ConfigDict(extra="allow")
    x: int


class Serialized(BaseModel):
    x: int

    @field_serializer("x")
    def as_text(self, x: int) -> str:
        return str(x)


class Whole(BaseModel):
    x: int

    @model_serializer
    def as_text(self) -> str:
        return ""


class Unfinished(BaseModel):
    x: "Nowhere"  # type: ignore[name-defined]  # noqa: F821


class Empty(BaseModel):
    pass


class Sometimes(BaseModel):
    x: int = Field(exclude_if=lambda x: x > 3)


REFUSED: list[tuple[type[BaseModel], str, str]] = [
    (Node, "Node.children[]", "within itself"),
    (Extra, "Extra", "extra='allow'"),
    (Serialized, "Serialized.x", "serializer"),
    (Whole, "Whole", "serializer"),
    (Unfinished, "Unfinished", "not defined"),
    (Empty, "Empty", "no fields"),
    (Sometimes, "Sometimes.x", "exclude_if"),
    (RootModel[list[int]], "RootModel[list[int]]", "named fields"),
    (create_model("Record", inner=(Node, ...)), "Record.inner.children[]", "within itself"),
    (create_model("Record", inner=(list[Extra], ...)), "Record.inner[]", "extra='allow'"),
    (create_model("Record", x=(int, Field(serialization_alias="_x"))), "Record.x", "envelope"),
    (create_model("Record", x=(int, Field(serialization_alias="x-y"))), "Record.x", "serialization_alias"),
    (create_model("Record", température=(int, ...)), "Record.température", "serialization_alias"),
    (create_model("Record", x=(int, ...), X=(int, ...)), "Record.X", "fold case"),
    (
        create_model("Record", x=(int, ...), y=(int, Field(serialization_alias="x"))),
        "Record.y",
        "same name as 'x'",
    ),
]


@pytest.mark.parametrize(("model", "path", "words"), REFUSED, ids=lambda value: str(value)[-40:])
def test_a_model_is_refused_with_the_path_and_the_reason(
    model: type[BaseModel], path: str, words: str
) -> None:
    error = refused(model)
    assert error.path == path
    assert words in str(error)


def test_a_nested_field_may_start_with_an_underscore() -> None:
    inner: type[BaseModel] = create_model("Inner", x=(int, Field(serialization_alias="_x")))
    assert declared(create_model("Record", inner=(inner, ...)))["inner"]["type"]["fields"][0]["name"] == "_x"
