"""Open-Meteo's hourly variables over the weather file's columns, and the units a request may ask for."""

from collections.abc import Callable
from dataclasses import dataclass

from devstack.upstream.errors import BadRequestError

# Converted values are rounded: more digits than the instruments have, few enough to read.
_DIGITS = 2


@dataclass(frozen=True)
class Unit:
    """A unit's label in answers, and the conversion from the file's unit; None when it is the file's own."""

    label: str
    convert: Callable[[float], float] | None = None

    def values(self, column: list[float | None]) -> list[float | None]:
        """Return the column in this unit; None stays None."""
        if (convert := self.convert) is None:
            return column
        return [None if value is None else round(convert(value), _DIGITS) for value in column]


@dataclass(frozen=True)
class Variable:
    """An hourly variable: the file's column, and the request parameter that chooses its unit.

    `units` is keyed by the values of that parameter, its default first.
    """

    column: str
    parameter: str | None
    units: dict[str, Unit]

    def unit(self, wanted: str | None) -> Unit:
        """Return the unit for the parameter's value, None meaning its default; or BadRequestError."""
        if wanted is None:
            return next(iter(self.units.values()))
        try:
            return self.units[wanted]
        except KeyError:
            raise BadRequestError(
                f"Data corrupted at path ''. Cannot initialize {self.parameter} from invalid String value "
                f"{wanted}. Possible values: {', '.join(self.units)}."
            ) from None


def _scale(factor: float) -> Callable[[float], float]:
    return lambda value: value * factor


_TEMPERATURE = {
    "celsius": Unit("°C", lambda fahrenheit: (fahrenheit - 32) / 1.8),
    "fahrenheit": Unit("°F"),
}
_WIND_SPEED = {
    "kmh": Unit("km/h", _scale(1.609344)),
    "ms": Unit("m/s", _scale(0.44704)),
    "mph": Unit("mp/h"),
    "kn": Unit("kn", _scale(0.868976242)),
}
_PRECIPITATION = {"mm": Unit("mm", _scale(25.4)), "inch": Unit("inch")}
# Open-Meteo has no parameter for lengths: they follow the precipitation.
_LENGTH = {"mm": Unit("m", _scale(1609.344)), "inch": Unit("ft", _scale(5280.0))}

VARIABLES: dict[str, Variable] = {
    "temperature_2m": Variable("temp", "temperature_unit", _TEMPERATURE),
    "dew_point_2m": Variable("dewp", "temperature_unit", _TEMPERATURE),
    "relative_humidity_2m": Variable("humid", None, {"": Unit("%")}),
    "wind_direction_10m": Variable("wind_dir", None, {"": Unit("°")}),
    "wind_speed_10m": Variable("wind_speed", "wind_speed_unit", _WIND_SPEED),
    "wind_gusts_10m": Variable("wind_gust", "wind_speed_unit", _WIND_SPEED),
    "precipitation": Variable("precip", "precipitation_unit", _PRECIPITATION),
    "pressure_msl": Variable("pressure", None, {"": Unit("hPa")}),
    "visibility": Variable("visib", "precipitation_unit", _LENGTH),
}
