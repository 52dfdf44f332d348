"""Defaults of models, as a schema states them."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from io import StringIO
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import fastavro
import pytest
from pydantic import (
    BaseModel,
    Field,
    create_model,
)

from schemas.avro_types import field_types
from schemas.errors import UnmappableFieldError
from schemas.models import payload_record


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
    lat: float
    lon: float = 0


MONEY = Annotated[Decimal, Field(max_digits=9, decimal_places=2)]

DEFAULTS: list[tuple[Any, Any, Any, Any]] = [
    (bool, True, True, True),
    (int, 5, 5, 5),
    (float, 1, 1.0, 1.0),
    (str, "é", "é", "é"),
    (bytes, b"\xff\0", "\xff\0", b"\xff\0"),
    (datetime, datetime(2020, 1, 1, tzinfo=UTC), 1577836800000000, datetime(2020, 1, 1, tzinfo=UTC)),
    (date, date(1970, 1, 3), 2, date(1970, 1, 3)),
    (timedelta, timedelta(seconds=-1), -1000000, -1000000),
    (MONEY, Decimal("1.5"), "\x00\x96", Decimal("1.50")),
    (MONEY, Decimal(-1), "\x9c", Decimal("-1.00")),
    (UUID, UUID(int=1), str(UUID(int=1)), UUID(int=1)),
    (Colour, Colour.BLUE, "blue", "blue"),
    (Literal["a", "b"], "b", "b", "b"),
    (list[int], [1, 2], [1, 2], [1, 2]),
    (set[str], {"b", "a"}, ["a", "b"], ["a", "b"]),
    (dict[str, int], {"b": 1, "a": 2}, {"a": 2, "b": 1}, {"a": 2, "b": 1}),
    (Any, {"b": [None]}, '{"b":[null]}', '{"b":[null]}'),
    (Place, Place(lat=1), {"lat": 1.0, "lon": 0.0}, {"lat": 1.0, "lon": 0.0}),
    (int | None, None, None, None),
    (int | None, 5, 5, 5),
    (int | str, "x", "x", "x"),
    (MONEY | None, Decimal(1), "d", Decimal("1.00")),
]


@pytest.mark.parametrize(
    ("annotation", "default", "stated", "read"), DEFAULTS, ids=lambda value: str(value)[:30]
)
def test_a_default_is_stated_as_avro_writes_it(annotation: Any, default: Any, stated: Any, read: Any) -> None:
    field = declared(create_model("Record", value=(annotation, default)))["value"]
    text = json.dumps({"value": field["default"]})
    assert json.loads(text)["value"] == stated
    # fastavro hands defaults on as they stand in the schema, but its JSON reader takes the same notation.
    first = field["type"][0] if isinstance(field["type"], list) else field["type"]
    schema = {"type": "record", "name": "Record", "fields": [{"name": "value", "type": first}]}
    assert list(fastavro.json_reader(StringIO(text), schema)) == [{"value": read}]


def test_the_branch_of_the_default_goes_first() -> None:
    model: type[BaseModel] = create_model(
        "Record", a=(int | str | None, "x"), b=(int | None, 3), c=(int | None, None)
    )
    fields = declared(model)
    assert [field["type"] for field in fields.values()] == [
        ["string", "null", "long"],
        ["long", "null"],
        ["null", "long"],
    ]


@pytest.mark.parametrize(("factory", "expected"), [(list, []), (uuid4, "none"), (lambda: [1], "none")])
def test_only_factories_of_constants_give_a_default(factory: Callable[[], Any], expected: Any) -> None:
    annotation: Any = UUID if factory is uuid4 else list[int]
    model: type[BaseModel] = create_model("Record", value=(annotation, Field(default_factory=factory)))
    assert declared(model)["value"].get("default", "none") == expected


@pytest.mark.parametrize(
    ("annotation", "default", "path", "words"),
    [
        (int, None, "Record.value", "is the default, which is a NoneType, not a int"),
        (int, 2**63, "Record.value", "beyond 64 bits"),
        (float, float("nan"), "Record.value", "no number in JSON"),
        (MONEY, Decimal("0.001"), "Record.value", "more than 9 digits with 2 after the point"),
        (list[int | None], [1], "Record.value", "not of the first member of a union"),
        (list[int], [1, "x"], "Record.value[1]", "is a str"),
    ],
)
def test_a_default_that_no_schema_can_state_is_refused(
    annotation: Any, default: Any, path: str, words: str
) -> None:
    error = refused(create_model("Record", value=(annotation, default)))
    assert error.path == path
    assert words in str(error)
