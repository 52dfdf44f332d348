"""The stand-in answers in Open-Meteo's shape, with the real observations, each hour of each place once."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from devstack.upstream.app import create_app
from devstack.upstream.faults import Faults
from devstack.upstream.units import VARIABLES
from devstack.upstream.weather import FIRST_DAY, LAST_DAY, Place, data_folder, load_places, nearest

EWR, JFK, LGA = (40.6925, -74.168667), (40.639751, -73.778925), (40.777245, -73.872608)


@pytest.fixture(scope="module")
def places() -> list[Place]:
    return load_places(data_folder())


@pytest.fixture
def client(places: list[Place]) -> Iterator[TestClient]:
    app = create_app(places, Faults(enabled=False), today=lambda: date(2026, 11, 22))
    with TestClient(app) as client:
        yield client


def get(client: TestClient, *locations: tuple[float, float], path: str = "/v1/archive", **more: Any) -> Any:
    latitudes, longitudes = zip(*locations, strict=True)
    parameters = {
        "latitude": ",".join(map(str, latitudes)),
        "longitude": ",".join(map(str, longitudes)),
        "start_date": "2013-01-01",
        "end_date": "2013-01-01",
        **more,
    }
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_one_place_is_an_object(client: TestClient) -> None:
    answer = get(client, EWR, hourly="temperature_2m,wind_gusts_10m")
    assert answer.pop("generationtime_ms") >= 0
    hourly = answer.pop("hourly")
    assert answer == {
        "latitude": 40.6925,
        "longitude": -74.168667,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "timezone_abbreviation": "GMT",
        "elevation": 5.5,
        "hourly_units": {"time": "iso8601", "temperature_2m": "°C", "wind_gusts_10m": "km/h"},
    }
    # The first hours of the file are those from 06:00 UTC; EWR has no 17:00.
    assert hourly["time"][:2] == ["2013-01-01T06:00", "2013-01-01T07:00"]
    assert "2013-01-01T17:00" not in hourly["time"]
    assert hourly["temperature_2m"][:2] == [3.9, 3.9]
    assert hourly["wind_gusts_10m"][0] is None
    assert {len(column) for column in hourly.values()} == {17}


def test_several_places_are_a_list_in_the_order_asked_for(client: TestClient) -> None:
    answer = get(client, LGA, EWR, JFK, hourly="temperature_2m")
    assert [(place["latitude"], place["longitude"]) for place in answer] == [LGA, EWR, JFK]
    assert [place.get("location_id") for place in answer] == [None, 1, 2]


def test_times_as_numbers(client: TestClient) -> None:
    answer = get(client, EWR, hourly="visibility", timeformat="unixtime")
    assert answer["hourly_units"]["time"] == "unixtime"
    assert answer["hourly"]["time"][0] == datetime(2013, 1, 1, 6, tzinfo=UTC).timestamp()


# The file's first hour at EWR: 39.02 °F, wind 10.357 mph, 0 inches, 10 miles.
@pytest.mark.parametrize(
    ("variable", "units", "label", "value"),
    [
        ("temperature_2m", {}, "°C", 3.9),
        ("temperature_2m", {"temperature_unit": "fahrenheit"}, "°F", 39.02),
        ("dew_point_2m", {}, "°C", -3.3),
        ("relative_humidity_2m", {}, "%", 59.37),
        ("wind_direction_10m", {}, "°", 270),
        ("wind_speed_10m", {}, "km/h", 16.67),
        ("wind_speed_10m", {"wind_speed_unit": "ms"}, "m/s", 4.63),
        ("wind_speed_10m", {"wind_speed_unit": "kn"}, "kn", 9.0),
        ("wind_speed_10m", {"wind_speed_unit": "mph"}, "mp/h", 10.357019999999999),
        ("precipitation", {"precipitation_unit": "inch"}, "inch", 0),
        ("pressure_msl", {}, "hPa", 1012),
        ("visibility", {}, "m", 16093.44),
        ("visibility", {"precipitation_unit": "inch"}, "ft", 52800),
    ],
)
def test_units(client: TestClient, variable: str, units: dict[str, str], label: str, value: float) -> None:
    answer = get(client, EWR, hourly=variable, **units)
    assert answer["hourly_units"][variable] == label
    assert answer["hourly"][variable][0] == value


def test_rain_in_both_units(client: TestClient) -> None:
    day = {"start_date": "2013-01-11", "end_date": "2013-01-11", "hourly": "precipitation"}
    inches = get(client, EWR, precipitation_unit="inch", **day)["hourly"]["precipitation"]
    millimetres = get(client, EWR, **day)["hourly"]["precipitation"]
    assert max(inches) > 0
    assert millimetres == [round(value * 25.4, 2) for value in inches]


def test_the_year_read_in_pages_has_every_row_once(client: TestClient) -> None:
    hours: list[set[str]] = [set(), set(), set()]
    rows = [0, 0, 0]
    first, end = FIRST_DAY, LAST_DAY
    while first <= end:
        last = min(first + timedelta(days=91), end)
        answer = get(
            client, EWR, JFK, LGA, hourly=",".join(VARIABLES), start_date=str(first), end_date=str(last)
        )
        for number, place in enumerate(answer):
            hours[number].update(place["hourly"]["time"])
            rows[number] += len(place["hourly"]["time"])
        first = last + timedelta(days=1)
    assert rows == [8703, 8706, 8706]
    assert [len(one) for one in hours] == rows


def test_both_paths_answer_alike(client: TestClient) -> None:
    answers = [
        get(client, JFK, path=path, hourly="temperature_2m") for path in ("/v1/forecast", "/v1/archive")
    ]
    assert answers[0]["hourly"] == answers[1]["hourly"]


def test_days_without_observations_are_empty_columns(client: TestClient) -> None:
    answer = client.get("/v1/forecast", params={"latitude": 40, "longitude": -74, "hourly": "visibility"})
    assert answer.json()["hourly"] == {"time": [], "visibility": []}


def test_a_refusal_has_open_meteos_shape(client: TestClient) -> None:
    answer = client.get("/v1/archive", params={"latitude": "95", "longitude": "0"})
    assert answer.status_code == 400
    assert answer.json() == {"error": True, "reason": "Latitude must be in range of -90 to 90°. Given: 95.0."}


def test_anywhere_is_answered_by_the_nearest_place(places: list[Place]) -> None:
    assert nearest(places, 40.7, -74.2).name == "Newark Liberty Intl"
    assert nearest(places, 40.75, -73.9).name == "La Guardia"
    assert nearest(places, 52.52, 13.41).name in {place.name for place in places}


def test_every_seventh_request_is_limited_and_every_eleventh_fails(places: list[Place]) -> None:
    with TestClient(create_app(places, Faults())) as client:
        parameters = {"latitude": 40, "longitude": -74}
        answers = [client.get("/v1/forecast", params=parameters) for _ in range(22)]
        counts = client.get("/faults").json()
    refused = {
        number: answer.status_code for number, answer in enumerate(answers, 1) if answer.status_code != 200
    }
    assert refused == {7: 429, 11: 503, 14: 429, 21: 429, 22: 503}
    assert answers[6].headers["Retry-After"] == "1"
    assert answers[6].json()["error"] is True
    assert counts == {"requests": 22, "429": 3, "503": 2}


def test_the_seed_moves_the_first_refusal() -> None:
    faults = Faults(seed=6)
    refusal = faults.next()
    assert refusal is not None
    assert refusal.status == 429
    assert faults.counts() == {"requests": 1, "429": 1, "503": 0}


def test_refusals_can_be_switched_off() -> None:
    faults = Faults(enabled=False)
    assert [faults.next() for _ in range(77)] == [None] * 77
    assert faults.counts() == {"requests": 77, "429": 0, "503": 0}
