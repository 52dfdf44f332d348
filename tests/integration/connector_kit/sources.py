"""The sources that the tests of the kit crash: good ones, and for each kind of mistake one that makes it."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pydantic import AwareDatetime, BaseModel

from connectors import BaseConnector, Checkpoint

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOTAL = 64


class Ticks(BaseConnector):
    """Four records at each instant, the oldest first; its limits would not allow the matrix."""

    name = "ticks"
    key = "id"
    event_time = "at"
    cursor: ClassVar[str | None] = "at"
    ordered: ClassVar[bool] = True
    rate_limit = "1/day"

    class Record(BaseModel):
        id: int
        at: AwareDatetime
        seen: float = 0

    class Settings(BaseModel):
        total: int = TOTAL

    settings: Settings

    def extract(self, since: Any = None) -> Iterator[Any]:
        for n in range(self.settings.total):
            at = NOON + timedelta(seconds=n // 4)
            if since is None or at >= since:
                yield {"id": n, "at": at}


class NewestFirst(Ticks):
    """Says that it is ordered, and begins with the newest."""

    def extract(self, since: Any = None) -> Iterator[Any]:
        yield from reversed(list(super().extract(since)))


class Exclusive(Ticks):
    """Leaves out the rest of the instant in which it was killed."""

    def extract(self, since: Any = None) -> Iterator[Any]:
        return (item for item in super().extract(since) if since is None or item["at"] > since)


class Hasty(Ticks):
    """Says that all has come before it has."""

    ordered = False

    def extract(self, since: Any = None) -> Iterator[Any]:
        yield Checkpoint(NOON + timedelta(hours=1))
        yield from super().extract(since)


class Changing(Ticks):
    """Writes the time of extraction into its records."""

    ordered = False

    def extract(self, since: Any = None) -> Iterator[Any]:
        yield from ({**item, "seen": time.time()} for item in super().extract(since))


class Renaming(Ticks):
    """Gives its records another id in each process, as a hash of a text would be."""

    ordered = False

    class Record(Ticks.Record):
        id: str  # type: ignore[assignment]

    def extract(self, since: Any = None) -> Iterator[Any]:
        yield from ({**item, "id": f"{item['id']} of {os.getpid()}"} for item in super().extract(since))


class Whole(Ticks):
    """Has no cursor: each run is all of it."""

    cursor = None
    ordered = False

    def extract(self, since: Any = None) -> Iterator[Any]:
        yield from super().extract(None)
