"""Query parameters are checked as Open-Meteo checks them, with a reason for each refusal."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

import pytest

from devstack.upstream.errors import BadRequestError
from devstack.upstream.request import WeatherRequest, parse_request

TODAY = date(2026, 11, 22)
BASE = {"latitude": "40.69", "longitude": "-74.17", "start_date": "2013-01-01", "end_date": "2013-01-31"}


def parse(parameters: Mapping[str, str | list[str]], *, dates_required: bool = False) -> WeatherRequest:
    lists = {name: [value] if isinstance(value, str) else value for name, value in parameters.items()}
    return parse_request(lists, today=TODAY, dates_required=dates_required)


def test_a_whole_request() -> None:
    request = parse(
        {
            **BASE,
            "latitude": "40.69,40.64",
            "longitude": "-74.17,-73.78",
            "hourly": "temperature_2m,visibility",
            "temperature_unit": "fahrenheit",
            "timeformat": "unixtime",
            "timezone": "UTC",
        }
    )
    assert request == WeatherRequest(
        locations=((40.69, -74.17), (40.64, -73.78)),
        first=date(2013, 1, 1),
        last=date(2013, 1, 31),
        hourly=("temperature_2m", "visibility"),
        units={"temperature_unit": "fahrenheit"},
        unixtime=True,
    )


def test_the_last_day_is_included() -> None:
    request = parse({**BASE, "end_date": "2013-01-01"})
    assert request.start == datetime(2013, 1, 1, tzinfo=UTC).timestamp()
    assert request.end == datetime(2013, 1, 2, tzinfo=UTC).timestamp()


def test_a_parameter_may_be_repeated() -> None:
    request = parse({**BASE, "hourly": ["temperature_2m", "precipitation"]})
    assert request.hourly == ("temperature_2m", "precipitation")


def test_without_dates_it_is_the_next_days() -> None:
    request = parse({"latitude": "40", "longitude": "-74", "past_days": "2"})
    assert (request.first, request.last) == (date(2026, 11, 20), date(2026, 11, 28))


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"latitude": ""}, "Parameter 'latitude' is required"),
    ({"latitude": "north"}, "Parameter 'latitude': 'north' is not a number"),
    ({"latitude": "95"}, "Latitude must be in range of -90 to 90°. Given: 95.0."),
    ({"longitude": "nan"}, "Longitude must be in range of -180 to 180°. Given: nan."),
    ({"latitude": "40,41"}, "must have the same number of elements"),
    ({"start_date": "2013-02-30"}, "Invalid date format for 'start_date'"),
    ({"end_date": ""}, "Parameter 'end_date' is required"),
    ({"end_date": "2012-12-31"}, "End-date must be larger or equals than start-date"),
    (
        {"end_date": "2013-04-03"},
        "Only up to 92 days can be requested at once. Given: 2013-01-01 to 2013-04-03, 93",
    ),
    ({"hourly": "temperature_2m,snow"}, "invalid String value snow"),
    ({"temperature_unit": "kelvin"}, "Cannot initialize temperature_unit from invalid String value kelvin"),
    ({"wind_speed_unit": "furlongs"}, "Cannot initialize wind_speed_unit"),
    ({"timeformat": "roman"}, "Cannot initialize Timeformat from invalid String value roman"),
    ({"timezone": "America/New_York"}, "Invalid timezone 'America/New_York'"),
    ({"daily": "sunrise"}, "Parameter 'daily' is not served"),
]


@pytest.mark.parametrize(("change", "reason"), REFUSED, ids=[next(iter(change)) for change, _ in REFUSED])
def test_what_is_refused(change: dict[str, str], reason: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse({**BASE, **change})
    assert reason in str(caught.value)


def test_ninety_two_days_are_one_page() -> None:
    assert parse({**BASE, "end_date": "2013-04-02"}).last == date(2013, 4, 2)


def test_the_archive_insists_on_dates() -> None:
    with pytest.raises(BadRequestError, match="Parameter 'start_date' is required"):
        parse({"latitude": "40", "longitude": "-74"}, dates_required=True)


def test_days_that_are_not_a_number_are_refused() -> None:
    with pytest.raises(BadRequestError, match="Parameter 'past_days' must be a number of days"):
        parse({"latitude": "40", "longitude": "-74", "past_days": "-1"})
