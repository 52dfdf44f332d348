"""The weather source against a server in Open-Meteo's shape."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from werkzeug import Request, Response

from connectors import UpstreamFormatError, UpstreamRefusedError
from connectors.bounds import parse_bounds
from connectors.registry import ConnectorRegistry
from connectors.sources.weather import ARCHIVE_HOST, FORECAST_HOST, VARIABLES, Weather

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
PLACES = [{"name": "A", "latitude": 1, "longitude": 2}, {"name": "B", "latitude": 3, "longitude": 4}]


def weather(httpserver: HTTPServer, **settings: Any) -> Weather:
    values = {"base_url": httpserver.url_for(""), "places": PLACES, **settings}
    return Weather(Weather.Settings.model_validate(values), now=lambda: NOW)


def hours(start: str, count: int, value: float | None = 1.0) -> dict[str, list[float | None]]:
    first = datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()
    return {"time": [first + 3600 * n for n in range(count)], **{name: [value] * count for name in VARIABLES}}


@pytest.fixture
def asked(httpserver: HTTPServer) -> list[tuple[str, dict[str, str]]]:
    """Answer every request with each hour of the asked days; collect path and parameters."""
    requests: list[tuple[str, dict[str, str]]] = []

    def respond(request: Request) -> Response:
        query = {name: values[0] for name, values in parse_qs(request.query_string.decode()).items()}
        requests.append((request.path, query))
        days = datetime.fromisoformat(query["end_date"]) - datetime.fromisoformat(query["start_date"])
        page = {"hourly": hours(query["start_date"], 24 * (days.days + 1))}
        return Response(json.dumps(page), content_type="application/json")

    httpserver.expect_request("/v1/forecast").respond_with_handler(respond)
    httpserver.expect_request("/v1/archive").respond_with_handler(respond)
    return requests


Asked = list[tuple[str, dict[str, str]]]


def test_days_are_asked_for_in_pages_place_by_place(httpserver: HTTPServer, asked: Asked) -> None:
    source = weather(httpserver, start_date="2013-01-01", end_date="2013-01-05", page_days=2)
    records = list(source.run())
    assert [(q["latitude"], q["start_date"], q["end_date"]) for _, q in asked] == [
        ("1.0", "2013-01-01", "2013-01-02"),
        ("3.0", "2013-01-01", "2013-01-02"),
        ("1.0", "2013-01-03", "2013-01-04"),
        ("3.0", "2013-01-03", "2013-01-04"),
        ("1.0", "2013-01-05", "2013-01-05"),
        ("3.0", "2013-01-05", "2013-01-05"),
    ]
    assert len({record.id for record in records}) == len(records) == 2 * 5 * 24
    assert records[0].id == "A:2013-01-01T00:00:00Z"


def test_units_and_variables_are_asked_for_by_name(httpserver: HTTPServer, asked: Asked) -> None:
    list(weather(httpserver, start_date="2013-01-01", end_date="2013-01-01").extract())
    (_, query), _ = asked
    assert query["hourly"].split(",") == list(VARIABLES)
    assert (query["temperature_unit"], query["wind_speed_unit"], query["precipitation_unit"]) == (
        "celsius",
        "ms",
        "mm",
    )
    assert (query["timezone"], query["timeformat"]) == ("GMT", "unixtime")
    assert "apikey" not in query


def test_a_key_travels_with_the_request(httpserver: HTTPServer, asked: Asked) -> None:
    list(weather(httpserver, start_date="2013-01-01", end_date="2013-01-01", api_key="k3y").extract())
    assert asked[0][1]["apikey"] == "k3y"


def test_since_is_inclusive_and_goes_on_where_the_last_run_ended(
    httpserver: HTTPServer, asked: Asked
) -> None:
    source = weather(httpserver, start_date="2013-01-01", end_date="2013-03-02")
    records = list(source.run("2013-03-01T22:00:00Z"))
    assert {query["start_date"] for _, query in asked} == {"2013-03-01"}
    assert min(record.event_time for record in records) == datetime(2013, 3, 1, 22, tzinfo=UTC)
    assert len(records) == 2 * (2 + 24)


def test_a_backfill_asks_for_its_days_alone(httpserver: HTTPServer, asked: Asked) -> None:
    source = weather(httpserver)
    first, last = parse_bounds(Weather, "2013-03-01T22:00:00Z", "2013-03-03")
    found = [item["time"] for item in source.extract(first, until=last)]
    assert {(query["start_date"], query["end_date"]) for _, query in asked} == {("2013-03-01", "2013-03-02")}
    assert (min(found), max(found)) == (first.timestamp(), last.timestamp() - 3600)
    hour = NOW.replace(minute=0)
    assert {item["time"] for item in source.extract(hour, until=hour + Weather.slice)} == {hour.timestamp()}


def test_since_in_another_zone_is_the_same_instant(httpserver: HTTPServer, asked: Asked) -> None:
    source = weather(httpserver, end_date="2013-03-02")
    list(source.extract(datetime.fromisoformat("2013-03-02T01:00:00+02:00")))
    assert asked[0][1]["start_date"] == "2013-03-01"


def test_hours_to_come_are_left_out(httpserver: HTTPServer, asked: Asked) -> None:
    records = list(weather(httpserver, start_date="2026-11-22").run())
    assert max(record.event_time for record in records) == NOW.replace(minute=0)
    assert asked[0][1]["end_date"] == "2026-11-22"


def test_the_archive_is_asked_for_what_is_settled_and_the_forecast_for_the_rest(
    httpserver: HTTPServer, asked: Asked
) -> None:
    list(weather(httpserver, places=PLACES[:1], start_date="2026-11-01").extract())
    assert [(path, query["start_date"], query["end_date"]) for path, query in asked] == [
        ("/v1/archive", "2026-11-01", "2026-11-15"),
        ("/v1/forecast", "2026-11-16", "2026-11-22"),
    ]


def test_an_address_of_ones_own_is_used_for_both_unless_told_otherwise(httpserver: HTTPServer) -> None:
    assert Weather.Settings().archive == ARCHIVE_HOST
    own = weather(httpserver).settings
    assert own.archive == own.base_url != FORECAST_HOST
    other = weather(httpserver, archive_base_url="http://archive.test").settings
    assert str(other.archive) == "http://archive.test/"


def test_hours_without_any_value_are_absent_and_single_gaps_are_null(httpserver: HTTPServer) -> None:
    page = hours("2013-01-01", 3)
    for name in VARIABLES:
        page[name][1] = None
    page["wind_gusts_10m"][2] = None
    httpserver.expect_request("/v1/archive").respond_with_json({"hourly": page})
    source = weather(httpserver, places=PLACES[:1], start_date="2013-01-01", end_date="2013-01-01")
    first, third = source.run()
    assert (first.event_time.hour, third.event_time.hour) == (0, 2)
    assert isinstance(third.payload, Weather.Record)
    assert third.payload.wind_gusts_10m is None
    assert third.payload.temperature_2m == 1.0


def test_refusals_that_heal_are_waited_out(httpserver: HTTPServer, asked: Asked, slept: list[float]) -> None:
    for status, headers in ((429, {"Retry-After": "1"}), (503, {})):
        httpserver.expect_oneshot_request("/v1/archive").respond_with_json({}, status, headers)
    source = weather(httpserver, places=PLACES[:1], start_date="2013-01-01", end_date="2013-01-01")
    assert len(list(source.extract())) == 24
    assert len(slept) == 2


def broken_pages() -> list[Any]:
    short = hours("2013-01-01", 3)
    short["precipitation"].pop()
    lacking = hours("2013-01-01", 3)
    del lacking["precipitation"]
    timeless = hours("2013-01-01", 3)
    timeless["time"][1] = None
    return [{"hourly": short}, {"hourly": lacking}, {"hourly": timeless}, {"error": True}, []]


@pytest.mark.parametrize("page", broken_pages())
def test_pages_of_another_shape_are_tried_again_and_then_named(
    httpserver: HTTPServer, slept: list[float], page: Any
) -> None:
    httpserver.expect_request("/v1/archive").respond_with_json(page)
    with pytest.raises(UpstreamFormatError, match="of another shape"):
        list(weather(httpserver, start_date="2013-01-01", end_date="2013-01-01").extract())
    assert slept


def test_a_refusal_for_good_shows_the_reason(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/archive").respond_with_json({"error": True, "reason": "no such day"}, 400)
    with pytest.raises(UpstreamRefusedError, match="no such day"):
        list(weather(httpserver, start_date="2013-01-01", end_date="2013-01-01").extract())


def test_its_settings_can_come_from_an_environment() -> None:
    source = ConnectorRegistry.discover(entry_points=False).create(
        "weather",
        {"base_url": "http://127.0.0.1:8000", "end_date": "2013-12-31", "places": json.dumps(PLACES)},
    )
    assert [place.name for place in source.settings.places] == ["A", "B"]
