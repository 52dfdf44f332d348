"""The source of the benchmarks: a generator of dicts, as long as its setting says."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from benchmarks.records import Reading, readings
from connectors import BaseConnector


class Readings(BaseConnector):
    """Readings of one place."""

    name = "readings"
    key = "reading"
    event_time = "time"
    Record = Reading

    class Settings(BaseModel):
        """How many."""

        count: int

    settings: Settings

    def extract(self, since: datetime | None = None) -> Iterator[dict[str, Any]]:
        """Yield them one at a time."""
        yield from readings(self.settings.count)
