"""Jobs in the order of their times, and those that are held back. No lock, no clock: its user has both."""

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from schemas.records import JobPayload


@dataclass(order=True, frozen=True)
class Queued:
    """A job with its time. `stored`: the jobs topic has a record of it; `waits`: for servers, in a row."""

    due: datetime
    order: int
    job: JobPayload = field(compare=False)
    stored: bool = field(compare=False, default=False)
    waits: int = field(compare=False, default=0)

    @property
    def source(self) -> str:
        """Whose job it is."""
        return self.job.source


class JobQueue:
    """Of jobs with the same time, the one that was put first comes first."""

    def __init__(self) -> None:
        self._heap: list[Queued] = []
        self._held: dict[str, list[Queued]] = {}
        self._order = itertools.count()

    def __iter__(self) -> Iterator[Queued]:
        """All that are in it, the held ones too, in no order."""
        yield from self._heap
        for held in self._held.values():
            yield from held

    def put(self, job: JobPayload, due: datetime, *, stored: bool = False, waits: int = 0) -> None:
        """Add a job that is due then."""
        heapq.heappush(self._heap, Queued(due, next(self._order), job, stored, waits))

    def pop_due(self, now: datetime) -> Queued | None:
        """Take the next one whose time has come; None if there is none."""
        return heapq.heappop(self._heap) if self._heap and self._heap[0].due <= now else None

    def next_due(self) -> datetime | None:
        """When the next one is due that is not held."""
        return self._heap[0].due if self._heap else None

    def hold(self, queued: Queued) -> None:
        """Keep one that came due until its source is let go."""
        self._held.setdefault(queued.source, []).append(queued)

    def let_go(self, source: str) -> list[Queued]:
        """Take all that were held of a source."""
        return self._held.pop(source, [])

    def remove(self, unwanted: Callable[[Queued], bool]) -> list[Queued]:
        """Take out those, held or not."""
        gone = [queued for queued in self if unwanted(queued)]
        self._heap = [queued for queued in self._heap if not unwanted(queued)]
        heapq.heapify(self._heap)
        for held in self._held.values():
            held[:] = [queued for queued in held if not unwanted(queued)]
        return gone
