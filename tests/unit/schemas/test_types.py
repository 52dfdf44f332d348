"""What each annotation becomes in Avro, and which ones are refused with what words."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar, Union
from uuid import UUID

import pydantic
import pytest
from pydantic import UUID4, BaseModel, Field, create_model
from typing_extensions import TypeAliasType, TypedDict

from schemas.avro_types import field_types
from schemas.errors import UnmappableFieldError
from schemas.models import payload_record

T = TypeVar("T")


class Colour(StrEnum):
    """What it looks like."""

    RED = "red"
    BLUE = "blue"


class Spoken(Enum):
    YES = "yes, please"
    NO = "no"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Rights(IntFlag):
    READ = 1
    WRITE = 2


class Bits(Flag):
    ONE = 1


class Mixed(Enum):
    ONE = 1
    TWO = "two"


class Point(BaseModel):
    x: float


class Celsius(pydantic.RootModel[float]):
    pass


class Page(BaseModel, Generic[T]):
    items: list[T]


class Typed(TypedDict):
    x: int


class Named(NamedTuple):
    x: int


@dataclass
class Plain:
    x: int


Metres = NewType("Metres", int)
Names = TypeAliasType("Names", list[str])
Tree = TypeAliasType("Tree", "list[Tree]")

INSTANT = {"type": "long", "logicalType": "timestamp-micros"}
DATE = {"type": "int", "logicalType": "date"}
JSON = {"type": "string", "format": "json"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
POINT = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": "double"}]}
PAGE = {"type": "record", "name": "Page_int"}
COLOUR = {"type": "enum", "name": "Colour", "doc": "What it looks like.", "symbols": ["red", "blue"]}


def field_of(annotation: Any, **extra: Any) -> dict[str, Any]:
    """The Avro field of a model with this one field, `value`."""
    made: type[BaseModel] = create_model("Record", value=(annotation, Field(**extra)))
    [declared] = field_types(payload_record(made).fields, "Record", "")
    return declared


MAPPED: list[tuple[Any, Any]] = [
    (bool, "boolean"),
    (int, "long"),
    (float, "double"),
    (str, "string"),
    (bytes, "bytes"),
    (pydantic.StrictInt, "long"),
    (pydantic.PositiveFloat, "double"),
    (Annotated[str, pydantic.StringConstraints(max_length=3)], "string"),
    (pydantic.Base64Bytes, "bytes"),
    (pydantic.ByteSize, "long"),
    (Metres, "long"),
    (datetime, INSTANT),
    (pydantic.AwareDatetime, INSTANT),
    (pydantic.FutureDatetime, INSTANT),
    (pydantic.PastDatetime, INSTANT),
    (pydantic.NaiveDatetime, {"type": "long", "logicalType": "local-timestamp-micros"}),
    (date, DATE),
    (pydantic.PastDate, DATE),
    (time, {"type": "long", "logicalType": "time-micros"}),
    (timedelta, {"type": "long", "unit": "microseconds"}),
    (Annotated[Decimal, Field(max_digits=9, decimal_places=2)], MONEY),
    (pydantic.condecimal(max_digits=9, decimal_places=2), MONEY),
    (UUID, {"type": "string", "logicalType": "uuid"}),
    (UUID4, {"type": "string", "logicalType": "uuid"}),
    (IPv4Address, "string"),
    (IPv6Interface, "string"),
    (IPv4Network, "string"),
    (IPv4Address | IPv6Address, "string"),
    (pydantic.IPvAnyAddress, "string"),
    (pydantic.IPvAnyNetwork, "string"),
    (Path, "string"),
    (pydantic.FilePath, "string"),
    (pydantic.HttpUrl, "string"),
    (pydantic.HttpUrl | str, "string"),
    (pydantic.PostgresDsn, "string"),
    (pydantic.RedisDsn, "string"),
    (pydantic.SecretStr, "string"),
    (pydantic.SecretBytes, "bytes"),
    (Colour, COLOUR),
    (Spoken, "string"),
    (Level, "long"),
    (Rights, "long"),
    (Literal["a", "b"], "string"),
    (Literal[1, 2], "long"),
    (Literal[True], "boolean"),
    (Literal[Colour.RED], COLOUR),
    (Literal["a", None], ["null", "string"]),
    (Optional[int], ["null", "long"]),  # noqa: UP045
    (Union[None, int, str], ["null", "long", "string"]),  # noqa: UP007
    (int | str, ["long", "string"]),
    (int | str | bool, ["long", "string", "boolean"]),
    (Point | Colour | list[int] | None, ["null", POINT, COLOUR, {"type": "array", "items": "long"}]),
    (Annotated[Decimal | None, Field(max_digits=9, decimal_places=2)], ["null", MONEY]),
    (list[int], {"type": "array", "items": "long"}),
    (set[str], {"type": "array", "items": "string"}),
    (frozenset[date], {"type": "array", "items": DATE}),
    (tuple[float, ...], {"type": "array", "items": "double"}),
    (Sequence[int | None], {"type": "array", "items": ["null", "long"]}),
    (deque[bool], {"type": "array", "items": "boolean"}),
    (pydantic.conlist(int, min_length=1), {"type": "array", "items": "long"}),
    (list[list[Point]], {"type": "array", "items": {"type": "array", "items": POINT}}),
    (Names, {"type": "array", "items": "string"}),
    (dict[str, int], {"type": "map", "values": "long"}),
    (Mapping[str, list[int]], {"type": "map", "values": {"type": "array", "items": "long"}}),
    (dict[Annotated[str, Field(min_length=1)], int], {"type": "map", "values": "long"}),
    (Any, JSON),
    (pydantic.JsonValue, JSON),
    (pydantic.Json, JSON),
    (pydantic.Json[list[int]], {"type": "array", "items": "long"}),
    (dict[str, Any], JSON),
    (dict, JSON),
    (list[Any], JSON),
    (dict[str, Any] | None, ["null", JSON]),
    (list[dict[str, Any]], {"type": "array", "items": JSON}),
    (Point, POINT),
    (Celsius, "double"),
    (Page[int], {**PAGE, "fields": [{"name": "items", "type": {"type": "array", "items": "long"}}]}),
]


@pytest.mark.parametrize(("annotation", "expected"), MAPPED, ids=lambda value: str(value)[:40])
def test_an_annotation_becomes(annotation: Any, expected: Any) -> None:
    assert field_of(annotation)["type"] == expected


def test_an_optional_field_defaults_to_null() -> None:
    assert field_of(int | None) == {"name": "value", "type": ["null", "long"], "default": None}


REFUSED: list[tuple[Any, str, str]] = [
    (Decimal, "Record.value", "digits are not bounded"),
    (Annotated[Decimal, Field(max_digits=9)], "Record.value", "digits are not bounded"),
    (Annotated[Decimal, Field(max_digits=2, decimal_places=3)], "Record.value", "3 of them after the point"),
    (complex, "Record.value", "two float fields"),
    (object, "Record.value", "or Any"),
    (None, "Record.value", "always None"),
    (Optional[None], "Record.value", "always None"),  # noqa: UP045
    (Callable[[], int], "Record.value", "no Avro type"),
    (Iterable[int], "Record.value", "no Avro type"),
    (type[int], "Record.value", "no Avro type"),
    (tuple[int, str], "Record.value", "a field for each place"),
    (tuple[()], "Record.value", "a field for each place"),
    (dict[int, str], "Record.value", "declare dict[str, …]"),
    (dict[str | None, str], "Record.value", "declare dict[str, …]"),
    (set[Any], "Record.value", "or a list"),
    (frozenset[tuple[int, ...]], "Record.value", "or a list"),
    (int | timedelta, "Record.value", "the Avro type 'long'"),
    (str | UUID, "Record.value", "the Avro type 'string'"),
    (list[int] | set[str], "Record.value", "the Avro type 'array'"),
    (list[Decimal], "Record.value[]", "digits are not bounded"),
    (dict[str, list[complex]], "Record.value[][]", "two float fields"),
    (Bits, "Record.value", "IntFlag"),
    (Mixed, "Record.value", "mixes kinds"),
    (Literal["a", 1], "Record.value", "mixes kinds"),
    (Tree, "Record.value", "'list[Tree]' is not a type"),
    (Page[Decimal], "Record.value.items[]", "digits are not bounded"),
    (Page, "Record.value.items[]", "Model[int]"),
    (Plain, "Record.value", "BaseModel"),
    (Typed, "Record.value", "BaseModel"),
    (Named, "Record.value", "BaseModel"),
    (Annotated[int, pydantic.PlainSerializer(str)], "Record.value", "serializer"),
    (list[Annotated[int, pydantic.PlainSerializer(str)]], "Record.value[]", "serializer"),
]


@pytest.mark.parametrize(("annotation", "path", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_an_annotation_is_refused_with_its_path(annotation: Any, path: str, words: str) -> None:
    with pytest.raises(UnmappableFieldError) as caught:
        field_of(annotation)
    assert caught.value.path == path
    assert words in str(caught.value)


def test_nesting_is_taken_to_sixteen_levels_and_no_further() -> None:
    def nested(levels: int) -> Any:
        annotation: Any = int
        for _ in range(levels):
            annotation = list[annotation]
        return annotation

    assert field_of(nested(14))["type"]["type"] == "array"
    with pytest.raises(UnmappableFieldError, match="16 levels"):
        field_of(nested(15))
