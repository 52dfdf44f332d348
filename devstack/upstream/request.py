"""What a client asks for: Open-Meteo's query parameters, checked, with its words where they are wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from devstack.upstream.errors import BadRequestError
from devstack.upstream.units import VARIABLES

MAX_DAYS = 92
MAX_LOCATIONS = 1000
_UNIT_PARAMETERS = ("temperature_unit", "wind_speed_unit", "precipitation_unit")
_ZONES = ("GMT", "UTC")
_TIME_FORMATS = ("iso8601", "unixtime")
_DEFAULT_FORECAST_DAYS = 7
# Served by the real API and not here: silence would look like "no data".
_NOT_SERVED = ("daily", "current", "minutely_15")

Parameters = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class WeatherRequest:
    """A checked request: places in degrees, first and last day (UTC, both inclusive), variables and units.

    `units` has the unit parameters that were given, `unixtime` says how times are written.
    """

    locations: tuple[tuple[float, float], ...]
    first: date
    last: date
    hourly: tuple[str, ...]
    units: Mapping[str, str]
    unixtime: bool

    @property
    def start(self) -> int:
        """Begin of the first day, Unix seconds."""
        return _midnight(self.first)

    @property
    def end(self) -> int:
        """End of the last day (exclusive), Unix seconds."""
        return _midnight(self.last + timedelta(days=1))


def parse_request(parameters: Parameters, *, today: date, dates_required: bool) -> WeatherRequest:
    """Return the request in the query parameters; each may be repeated or hold a comma list.

    Without dates it is today and the next days, unless `dates_required`. Raises BadRequestError.
    """
    for name in _NOT_SERVED:
        if _list(parameters, name):
            raise BadRequestError(f"Parameter '{name}' is not served by this stand-in: ask for 'hourly'.")
    locations = _locations(parameters)
    zone = _one(parameters, "timezone") or "GMT"
    if zone not in _ZONES:
        raise BadRequestError(f"Invalid timezone '{zone}': this stand-in speaks {' and '.join(_ZONES)} only.")
    first, last = _days(parameters, today, dates_required)
    units = {name: value for name in _UNIT_PARAMETERS if (value := _one(parameters, name))}
    hourly = _hourly(parameters)
    for variable in VARIABLES.values():
        if variable.parameter in units:
            variable.unit(units[variable.parameter])
    return WeatherRequest(locations, first, last, hourly, units, _unixtime(parameters))


def _locations(parameters: Parameters) -> tuple[tuple[float, float], ...]:
    latitudes = _coordinates(parameters, "latitude", 90)
    longitudes = _coordinates(parameters, "longitude", 180)
    if len(latitudes) != len(longitudes):
        raise BadRequestError("Parameter 'latitude' and 'longitude' must have the same number of elements")
    if len(latitudes) > MAX_LOCATIONS:
        raise BadRequestError(f"Only up to {MAX_LOCATIONS} locations can be requested at once")
    return tuple(zip(latitudes, longitudes, strict=True))


def _coordinates(parameters: Parameters, name: str, limit: int) -> list[float]:
    texts = _list(parameters, name)
    if not texts:
        raise BadRequestError(f"Parameter '{name}' is required")
    values = [_float(name, text) for text in texts]
    for value in values:
        if not -limit <= value <= limit:
            raise BadRequestError(
                f"{name.capitalize()} must be in range of -{limit} to {limit}°. Given: {value}."
            )
    return values


def _days(parameters: Parameters, today: date, dates_required: bool) -> tuple[date, date]:
    texts = [_one(parameters, "start_date"), _one(parameters, "end_date")]
    if not any(texts) and not dates_required:
        past = _int(parameters, "past_days", 0)
        ahead = _int(parameters, "forecast_days", _DEFAULT_FORECAST_DAYS)
        first, last = today - timedelta(days=past), today + timedelta(days=ahead - 1)
    else:
        first, last = (
            _date(name, text) for name, text in zip(("start_date", "end_date"), texts, strict=True)
        )
    if last < first:
        raise BadRequestError("End-date must be larger or equals than start-date")
    if (last - first).days + 1 > MAX_DAYS:
        raise BadRequestError(
            f"Only up to {MAX_DAYS} days can be requested at once. Given: {first} to {last}, "
            f"{(last - first).days + 1} days."
        )
    return first, last


def _hourly(parameters: Parameters) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(_list(parameters, "hourly")))
    for name in names:
        if name not in VARIABLES:
            raise BadRequestError(
                "Data corrupted at path ''. Cannot initialize hourly variable from invalid String value "
                f"{name}. This stand-in has: {', '.join(VARIABLES)}."
            )
    return names


def _unixtime(parameters: Parameters) -> bool:
    form = _one(parameters, "timeformat") or _TIME_FORMATS[0]
    if form not in _TIME_FORMATS:
        raise BadRequestError(
            f"Data corrupted at path ''. Cannot initialize Timeformat from invalid String value {form}."
        )
    return form == "unixtime"


def _list(parameters: Parameters, name: str) -> list[str]:
    return [part for text in parameters.get(name, ()) for part in text.split(",") if part]


def _one(parameters: Parameters, name: str) -> str | None:
    texts = parameters.get(name) or [""]
    return texts[-1] or None


def _date(name: str, text: str | None) -> date:
    if text is None:
        raise BadRequestError(f"Parameter '{name}' is required")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequestError(f"Invalid date format for '{name}'. Make sure to use 'YYYY-MM-DD'") from None


def _float(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadRequestError(f"Parameter '{name}': '{text}' is not a number") from None


def _int(parameters: Parameters, name: str, default: int) -> int:
    text = _one(parameters, name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) > MAX_DAYS:
        raise BadRequestError(
            f"Parameter '{name}' must be a number of days from 0 to {MAX_DAYS}. Given: {text}."
        )
    return int(text)


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
