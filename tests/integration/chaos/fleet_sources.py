"""Twenty sources with short schedules: ordered paging, unordered, and ones that share a limited upstream."""

from pathlib import Path

TICK = 5
LIMITED_TICK = 10
SHARED = "metered"
LIMITS = {1: 5, 60: 150}
ORDERED = tuple(f"ordered{number}" for number in range(7))
UNORDERED = tuple(f"cities{number}" for number in range(7))
LIMITED = tuple(f"metered{number}" for number in range(6))
SOURCES = (*ORDERED, *UNORDERED, *LIMITED)

_SOURCE = '''"""A source of the test suite."""
from datetime import UTC, datetime, timedelta
from pydantic import AwareDatetime, BaseModel
from connectors import BaseConnector, http_client, json_of, resilient_request

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

class Source(BaseConnector):
    name = "{name}"
    key = "id"
    event_time = "at"
    cursor = "at"
    {declared}

    class Record(BaseModel):
        id: int
        at: AwareDatetime

    def extract(self, since=None):
        first = 0 if since is None else int((since - NOON).total_seconds())
        with http_client(base_url="{url}", timeout=10) as client:
            for number in self.numbers(client, first):
                yield {{"id": number, "at": NOON + timedelta(seconds=number)}}

    {numbers}

    @resilient_request
    def page(self, client, **query):
        return json_of(client.get("/{name}", params=query))
'''
_PAGES = """def numbers(self, client, first):
        while found := self.page(client, first=first, limit=25)["items"]:
            yield from found
            first = found[-1] + 1
"""
# City by city, the newest first in each, all as it was at one time.
_CITIES = """def numbers(self, client, first):
        below = self.page(client, first=first, limit=0)["count"]
        for city in range(3):
            yield from self.page(client, first=first, below=below, city=city)["items"]
"""


def write_sources(folder: Path, url: str) -> None:
    """Write all connector files; their upstream is at `url`."""
    limits = (f"{LIMITS[1]}/second", f"{LIMITS[60]}/minute")
    shared = f'ordered = True; schedule = "every {LIMITED_TICK}s"; upstream = "{SHARED}"'
    ordinary = f'schedule = "every {TICK}s"'
    _write(folder, url, ORDERED, f"ordered = True; {ordinary}", _PAGES)
    _write(folder, url, UNORDERED, ordinary, _CITIES)
    _write(folder, url, LIMITED, f"{shared}; request_limit = {limits!r}", _PAGES)


def _write(folder: Path, url: str, names: tuple[str, ...], declared: str, numbers: str) -> None:
    for name in names:
        text = _SOURCE.format(name=name, url=url, declared=declared, numbers=numbers)
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
