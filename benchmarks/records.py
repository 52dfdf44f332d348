"""The records of all benchmarks: ten fields, the shape of an hourly weather reading."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from schemas.contract import SourceContract

START = datetime(2024, 1, 1, tzinfo=UTC)


class Reading(BaseModel):
    """One reading of one place."""

    reading: str
    place: str
    time: datetime
    latitude: float
    longitude: float
    temperature: float | None = None
    humidity: float | None = None
    wind_speed: float | None = None
    weather_code: int | None = None
    station: int


CONTRACT = SourceContract(source="readings", record=Reading, key=("reading",), event_time="time")


def readings(count: int) -> Iterator[dict[str, Any]]:
    """Yield `count` raw items as a connector would, one at a time."""
    for i in range(count):
        yield {
            "reading": f"berlin:{i}",
            "place": "berlin",
            "time": START + timedelta(seconds=i),
            "latitude": 52.5,
            "longitude": 13.4,
            "temperature": i % 40 * 1.0,
            "humidity": 50.0,
            "wind_speed": None,
            "weather_code": 3,
            "station": i % 7,
        }
