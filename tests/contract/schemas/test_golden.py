"""Schemas as they are published: a change here is a change that subscribers and tables see.

INGEST_UPDATE_GOLDEN=1 writes the files anew; review them as you would an API.
"""

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import avro.schema
import fastavro
import pytest
from pydantic import AwareDatetime, BaseModel, Field, HttpUrl, computed_field

from schemas.avro import build_schema
from schemas.contract import SourceContract
from schemas.names import Names
from tests.contract.schemas.kinds import COMPOSED, SCALARS, Kind, model, optional

GOLDEN = Path(__file__).parent / "golden"

# The official package reads what it does not know as the plain type, and says so.
pytestmark = pytest.mark.filterwarnings("ignore::avro.errors.IgnoredLogicalType")

T = TypeVar("T")


class Weather(BaseModel):
    """Hourly weather at one place."""

    place: str = Field(description="Name of the place")
    time: AwareDatetime = Field(description="Hour of the observation")
    latitude: float
    longitude: float
    temperature: float | None = Field(None, description="°C")
    humidity: float | None = Field(None, description="%", validation_alias="relative_humidity_2m")
    weather_code: int | None = None


class Status(StrEnum):
    """How it went."""

    OPEN = "open"
    DONE = "done"


class Money(BaseModel):
    amount: Annotated[Decimal, Field(max_digits=18, decimal_places=4)] = Decimal("0.5")
    currency: str = "EUR"


class Page(BaseModel, Generic[T]):
    """A page of things."""

    items: list[T]
    next: HttpUrl | None = None


class Item(BaseModel):
    class Money(BaseModel):
        """Not the other one."""

        text: str

    price: Money
    net: "Plain"


Plain = Money


class Order(BaseModel):
    """An order with everything in it."""

    id: str = Field(alias="orderId")
    status: Status = Status.OPEN
    history: dict[str, Status] = {}
    at: AwareDatetime = datetime(2020, 1, 1, tzinfo=UTC)
    total: Money = Money()
    tip: Money | None = None
    lines: Page[Item]
    raw: bytes = b"\0\xff"
    reference: int | str | None = None
    note: str | None = "none"
    extra: dict[str, Any] = Field(default_factory=dict)
    internal: str = Field("", exclude=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def pages(self) -> int:
        return 1


def _all_of(kinds: dict[str, Kind]) -> type[BaseModel]:
    return model({f"a_{name}": kind for name, kind in kinds.items()})


CONTRACTS = {
    "weather": SourceContract("weather", Weather, key=("place", "time"), event_time="time", sort=("place",)),
    "orders": SourceContract("orders", Order, key=("id",), mode="upsert", doc="All orders."),
    "scalars": SourceContract("scalars", _all_of(SCALARS)),
    "optional": SourceContract(
        "optional", _all_of({n: optional(k) for n, k in SCALARS.items() if n != "json"})
    ),
    "composed": SourceContract("composed", _all_of(COMPOSED)),
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_schema_is_the_one_on_file(name: str) -> None:
    schema = build_schema(CONTRACTS[name], Names())
    text = json.dumps(schema, indent=2) + "\n"
    file = GOLDEN / f"{name}.avsc"
    if os.environ.get("INGEST_UPDATE_GOLDEN") == "1":
        file.write_text(text)
    assert text == file.read_text()
    fastavro.parse_schema(json.loads(text))
    avro.schema.parse(text)


def test_every_file_has_its_contract() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(CONTRACTS)
