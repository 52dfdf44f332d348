"""Versions that readers could follow, and tables and ids could not."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import AwareDatetime, Field, create_model

from schemas.avro import build_schema
from schemas.contract import SourceContract
from schemas.evolution import obstacles
from schemas.names import Names

MONEY = Annotated[Decimal, Field(max_digits=9, decimal_places=2)]


class Colour(StrEnum):
    RED = "red"


def schema(declared: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    model = create_model("Record", id=(str, ...), at=(int, ...), **fields)
    return build_schema(SourceContract("things", model, **(declared or {})), Names())


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ({"key": ("id",)}, {"key": ("at",)}, "key was (id), and now is (at); it says which records are the"),
        ({"key": ("id",)}, {}, "key was (id), and now is ()"),
        ({"sort": ("id",)}, {"sort": ("at",)}, "sort was (id), and now is (at); the table stays sorted"),
        ({"key": ("id",)}, {"key": ("id",), "mode": "upsert"}, "mode was 'append', and now is 'upsert'"),
    ],
)
def test_a_changed_declaration_is_refused_with_what_to_do(
    was: dict[str, Any], now: dict[str, Any], words: str
) -> None:
    [line] = obstacles(schema(now), schema(was))
    assert line.startswith(words)
    assert line.endswith("or publish under another source name")
    assert f": keep {line.split()[0]} = " in line


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (float, "float"),
        (str, "str"),
        (int | str, "int | str"),
        (AwareDatetime, "AwareDatetime"),
        (date, "date"),
        (UUID, "UUID"),
        (MONEY, "Decimal"),
        (Colour, "…"),
        (list[str], "…"),
    ],
)
def test_a_required_field_may_not_go(kind: Any, word: str) -> None:
    assert obstacles(schema(), schema(price=(kind, ...))) == [
        "Record.price is gone, and rows would show a value that no record has; "
        f"keep it as optional (`price: {word} | None = None`)"
    ]


@pytest.mark.parametrize("default", [(int, 5), (int | None, 5), (list[int], [])])
def test_neither_may_one_whose_default_is_a_value(default: Any) -> None:
    assert len(obstacles(schema(), schema(price=default))) == 1


def test_an_optional_field_may_go_and_any_may_come_or_become_optional() -> None:
    assert obstacles(schema(), schema(price=(float | None, None))) == []
    assert obstacles(schema(price=(float | None, None)), schema()) == []
    assert obstacles(schema(price=(float | None, None)), schema(price=(float, ...))) == []


def test_where_nothing_was_declared_nothing_is_broken() -> None:
    bare = {name: part for name, part in schema().items() if name != "ingest"}
    assert obstacles(schema({"sort": ("id",)}), bare) == []
    assert obstacles(bare, schema()) == []
    assert obstacles("string", bare) == []
