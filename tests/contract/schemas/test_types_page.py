"""The table of types in docs/authors.md says what becomes of annotations, in the topic and in the table."""

import json
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import pytest
from pydantic import AwareDatetime, BaseModel, Field, HttpUrl, Json, NaiveDatetime, SecretStr, create_model

from cli.trial import type_text
from consumer.columns import record_columns
from consumer.gate import gate
from consumer.schema_tree import read_schema
from schemas.avro import build_schema
from schemas.contract import SourceContract
from schemas.names import Names

# A bar that is not written as part of a cell.
CELL = r"(?<!\\)\|"
PAGE = Path(__file__).parents[3] / "docs" / "authors.md"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Point(BaseModel):
    x: int
    y: str | None


NAMES: dict[str, Any] = {
    each.__name__: each
    for each in (date, datetime, time, timedelta, Decimal, IPv4Address, Path, UUID, Colour, Level, Point)
}
NAMES |= {"AwareDatetime": AwareDatetime, "NaiveDatetime": NaiveDatetime, "HttpUrl": HttpUrl, "Json": Json}
NAMES |= {"SecretStr": SecretStr, "Annotated": Annotated, "Field": Field, "Any": Any, "Literal": Literal}
NAMES |= {"Optional": Optional}


def rows() -> list[tuple[str, str, str]]:
    """(annotation, Avro type, ClickHouse type) for each annotation of the table."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Types\n")[2].partition("\n## ")[0]
    found = []
    for line in section.splitlines():
        if line.startswith("| `"):
            cells = [re.findall("`([^`]+)`", cell.replace("\\|", "|")) for cell in re.split(CELL, line)]
            _, annotations, (avro,), (column,), *_ = cells
            found += [(annotation, avro, column) for annotation in annotations]
    return found


@pytest.mark.parametrize(("annotation", "avro", "column"), rows())
def test_a_row_of_the_table_is_true(annotation: str, avro: str, column: str) -> None:
    record = create_model("Record", value=(eval(annotation, dict(NAMES)), ...))
    schema = build_schema(SourceContract("things", record), Names())
    assert type_text(schema["fields"][-1]["type"]).removeprefix("ingest.things.") == avro
    assert record_columns(gate(read_schema(json.dumps(schema))))[-1].type == column


def test_the_table_is_there() -> None:
    assert len(rows()) > 30
