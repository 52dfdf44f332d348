"""Hourly weather from Open-Meteo: the archive for what is settled, the forecast API for the last days."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, HttpUrl, SecretStr, model_validator

from connectors import BaseConnector, every, http_client, json_of, resilient_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

FORECAST_HOST = HttpUrl("https://api.open-meteo.com")
ARCHIVE_HOST = HttpUrl("https://archive-api.open-meteo.com")
# Asked for by name, so that no default of the API can change what the numbers mean.
UNITS = {
    "temperature_unit": "celsius",
    "wind_speed_unit": "ms",
    "precipitation_unit": "mm",
    "timeformat": "unixtime",
    "timezone": "GMT",
}


class Place(BaseModel):
    """Where to ask for; degrees north and east."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


# The airports that the flights of the `flights` source leave from.
NEW_YORK = (
    Place(name="EWR", latitude=40.6925, longitude=-74.168667),
    Place(name="JFK", latitude=40.639751, longitude=-73.778925),
    Place(name="LGA", latitude=40.777245, longitude=-73.872608),
)


class Page(BaseModel):
    """An answer: columns of one length, `time` (Unix seconds) and one per variable; None: not measured."""

    hourly: dict[str, list[float | None]]

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        missing = {"time", *VARIABLES} - self.hourly.keys()
        lengths = {len(column) for column in self.hourly.values()}
        if missing or len(lengths) > 1 or None in self.hourly["time"]:
            raise ValueError(f"hourly lacks {missing or 'times'} or has columns of unequal length: {lengths}")
        return self


class Weather(BaseConnector):
    """Hourly weather at chosen places (Open-Meteo): what was, never what is forecast."""

    name = "weather"
    schedule = every(hours=1)
    rate_limit = "30/hour"
    upstream = "open_meteo"
    # 600, 5,000 and 10,000 calls, where a page of 92 days counts as 92 / 14 of them.
    request_limit = ("90/minute", "750/hour", "1500/day")
    key = ("place", "time")
    event_time = "time"
    sort = ("place", "time")
    # One place after the other within a page of days: the newest hour is met long before the last record.
    cursor = "time"
    slice = timedelta(days=92)  # a page for each place
    ordered = False

    class Record(BaseModel):
        """One hour at one place; None where nothing was measured."""

        place: str = Field(description="Name of the place, as in the settings")
        time: AwareDatetime = Field(description="Begin of the hour")
        temperature_2m: float | None = Field(None, description="Air temperature at 2 m, °C")
        relative_humidity_2m: float | None = Field(None, description="Relative humidity at 2 m, %")
        dew_point_2m: float | None = Field(None, description="Dew point at 2 m, °C")
        precipitation: float | None = Field(None, description="Rain and snow of the preceding hour, mm")
        pressure_msl: float | None = Field(None, description="Air pressure reduced to sea level, hPa")
        wind_speed_10m: float | None = Field(None, description="Wind speed at 10 m, m/s")
        wind_direction_10m: float | None = Field(None, description="Direction the wind comes from, °")
        wind_gusts_10m: float | None = Field(None, description="Strongest gust of the preceding hour, m/s")

    class Settings(BaseModel):
        """Which places and days, and where to ask."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        base_url: HttpUrl = Field(FORECAST_HOST, description="Forecast API, without /v1/forecast")
        archive_base_url: HttpUrl | None = Field(
            None, description="Archive API; default: base_url if changed"
        )
        api_key: SecretStr | None = Field(None, description="Key of a paid plan")
        places: tuple[Place, ...] = Field(NEW_YORK, min_length=1)
        # The year of the `flights` source, so that the two can be joined out of the box.
        start_date: date = Field(date(2013, 1, 1), description="First day of a first run")
        end_date: date | None = Field(None, description="Last day; default: today")
        page_days: int = Field(92, ge=1, le=92, description="Days of one request")
        archive_delay_days: int = Field(7, ge=0, description="Days until the archive has a day")
        timeout: float = Field(20.0, gt=0, description="Seconds to wait for an answer")

        @property
        def archive(self) -> HttpUrl:
            """The archive API: with an address of one's own, the same one unless told otherwise."""
            return self.archive_base_url or (
                ARCHIVE_HOST if self.base_url == FORECAST_HOST else self.base_url
            )

    settings: Settings

    def __init__(
        self, settings: BaseModel | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__(settings)
        self._now = now

    def extract(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        """Every hour from `since` (inclusive) to `until` (exclusive) or the present, page of days by page,
        place by place.
        """
        now = self._now()
        first = self.settings.start_date if since is None else since.astimezone(UTC).date()
        # Hours that have not begun are forecasts: they change, and would carry the cursor past the present.
        latest = now if until is None else min(now, until.astimezone(UTC) - timedelta(microseconds=1))
        last = min(self.settings.end_date or latest.date(), latest.date())
        begin, end = -math.inf if since is None else since.timestamp(), latest.timestamp()
        settled = now.date() - timedelta(days=self.settings.archive_delay_days)
        with http_client(timeout=self.settings.timeout) as client:
            for start, stop in _pages(first, last, settled, self.settings.page_days):
                url = self._url("archive" if stop <= settled else "forecast")
                for place in self.settings.places:
                    yield from _hours(place, self._page(client, url, place, start, stop), begin, end)

    def _url(self, api: str) -> str:
        host = self.settings.archive if api == "archive" else self.settings.base_url
        return f"{str(host).rstrip('/')}/v1/{api}"

    @resilient_request
    def _page(self, client: httpx.Client, url: str, place: Place, start: date, stop: date) -> Page:
        key = self.settings.api_key
        parameters: dict[str, str | float] = {
            "latitude": place.latitude,
            "longitude": place.longitude,
            "hourly": ",".join(VARIABLES),
            "start_date": start.isoformat(),
            "end_date": stop.isoformat(),
            **UNITS,
            **({"apikey": key.get_secret_value()} if key else {}),
        }
        return json_of(client.get(url, params=parameters), Page)


VARIABLES = tuple(name for name in Weather.Record.model_fields if name not in Weather.key)


def _pages(first: date, last: date, settled: date, days: int) -> Iterator[tuple[date, date]]:
    """First and last day of each page, both inclusive; a page lies wholly up to `settled` or after it."""
    while first <= last:
        stop = min(last if first > settled else min(last, settled), first + timedelta(days=days - 1))
        yield first, stop
        first = stop + timedelta(days=1)


def _hours(place: Place, page: Page, begin: float, end: float) -> Iterator[dict[str, Any]]:
    """The page as one item per hour from `begin` to `end`; an hour without any value is not there yet."""
    columns = [page.hourly[name] for name in VARIABLES]
    for time, *values in zip(page.hourly["time"], *columns, strict=True):
        if time is not None and begin <= time <= end and any(value is not None for value in values):
            yield {"place": place.name, "time": time, **dict(zip(VARIABLES, values, strict=True))}
