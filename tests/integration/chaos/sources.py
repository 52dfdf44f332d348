"""The sources that the crash matrix kills: their items are a function of `since`, their totals are known."""

from pathlib import Path

TOTAL = 3000

_HEAD = """
from datetime import UTC, datetime, timedelta
from pydantic import AwareDatetime, BaseModel
from connectors import BaseConnector

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

class Record(BaseModel):
    id: int
    place: str = ""
    at: AwareDatetime

class Source(BaseConnector):
    name = "{name}"
    key = "id"
    event_time = "at"
    cursor = "at"
    Record = Record
"""

# In the order of its cursor, page by page.
_ORDERED = """
    ordered = True

    def extract(self, since=None):
        first = 0 if since is None else int((since - NOON).total_seconds())
        for page in range(first, {total}, 50):
            for n in range(page, min(page + 50, {total})):
                yield {{"id": n, "at": NOON + timedelta(seconds=n)}}
"""
# Three cities one after the other, the newest first in each: only a whole run has seen all older ones.
_UNORDERED = """
    def extract(self, since=None):
        for city in range(3):
            for n in range({total} // 3 - 1, -1, -1):
                at = NOON + timedelta(seconds=n)
                if since is None or at >= since:
                    yield {{"id": 3 * n + city, "place": f"city {{city}}", "at": at}}
"""
# Ordered, with seven records at each instant: a checkpoint may end in the middle of them.
_TIED = """
    ordered = True

    def extract(self, since=None):
        first = 0 if since is None else 7 * int((since - NOON).total_seconds())
        yield from ({{"id": n, "at": NOON + timedelta(seconds=n // 7)}} for n in range(first, {total}))
"""
BODIES = {"ordered": _ORDERED, "unordered": _UNORDERED, "tied": _TIED}
# Seconds after noon of the last record.
LAST = {"ordered": TOTAL - 1, "unordered": TOTAL // 3 - 1, "tied": (TOTAL - 1) // 7}


def write_source(folder: Path, kind: str) -> None:
    """Write the connector file of the source `kind`."""
    text = _HEAD.format(name=kind) + BODIES[kind].format(total=TOTAL)
    (folder / f"{kind}.py").write_text(text, encoding="utf-8")
