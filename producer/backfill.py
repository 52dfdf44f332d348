"""A backfill: one run between two values of the cursor, slice by slice; it goes on where it was cut short.

How far it is stands in the source's position, in the transaction of its records. The cursor is not its
concern.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import JsonValue

from connectors.base import BaseConnector, source_name
from connectors.bounds import parse_bounds
from connectors.errors import UntilError
from producer.positions import Position
from producer.watermark import Watermark
from schemas.records import JobPayload

# So many unfinished ones a position remembers; of more, the oldest begin anew.
MOST = 20
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Window:
    """Slice `number` (from 1) `of` so many: what is at or after `since` and before `until`."""

    number: int
    of: int
    since: Any
    until: Any

    def place(self, value: Any) -> int:
        """-1 for a value before it, 0 in it, 1 beyond it; UntilError if they do not compare."""
        try:
            return -1 if value < self.since else int(value >= self.until)
        except TypeError as exc:
            raise UntilError(
                f"the cursor value {value!r} does not compare with the bounds of the backfill: {exc}. "
                "Give the cursor field one type, for datetimes AwareDatetime"
            ) from exc


def windows(since: Any, until: Any, step: Any) -> Iterator[Window]:
    """From `since` to `until` in slices of `step`, the last one maybe shorter; `step` None: in one."""
    whole, rest = (1, None) if step is None else divmod(until - since, step)
    count = int(whole) + bool(rest)
    lower = since
    for number in range(1, count + 1):
        upper = until if number == count else since + number * step
        yield Window(number, count, lower, upper)
        lower = upper


class Backfill:
    """How far one backfill is. `windows` is for the generator's thread, the rest for the run's."""

    def __init__(self, connector: type[BaseConnector], job: JobPayload, previous: Position | None) -> None:
        """Raises SinceError or UntilError for bounds that are none."""
        self._connector = connector
        self._job_id = job.job_id
        self._since, self.until = parse_bounds(connector, job.since, job.until)
        stored = previous.backfills.get(job.job_id) if previous is not None else None
        self._mark = Watermark(connector, job.since if stored is None else stored)
        self._mark.reach(self._since)
        self.begin = self._mark.value
        self._left = self.windows()
        self._present = next(self._left, None)
        self._before = (0, 0)
        of = next(windows(self._since, self.until, self._step)).of
        self.slices, self.done = of, self._present.number - 1 if self._present else of

    @property
    def _step(self) -> Any:
        return self._connector.slice if self._connector.takes_until() else None

    def windows(self) -> Iterator[Window]:
        """The slices that are left; the first one begins where the backfill goes on."""
        for window in windows(self._since, self.until, self._step):
            if window.until > self.begin:
                yield replace(window, since=max(window.since, self.begin))

    def see(self, values: list[Any]) -> None:
        """Take note of the cursor values of published records."""
        if self._connector.ordered:
            self._mark.see(values)

    def reach(self, cursor: Any) -> None:
        """Everything before `cursor` has come."""
        self._mark.reach(cursor)

    def committed(self, extracted: int, published: int) -> None:
        """What has been reached is committed; so many items and records were, so far in this run."""
        while self._present is not None and self._mark.value >= self._present.until:
            _log.info(
                "backfill_slice",
                slice=self._present.number,
                of=self._present.of,
                until=self._mark.dump(self._present.until),
                extracted=extracted - self._before[0],
                records=published - self._before[1],
            )
            self.done, self._before = self._present.number, (extracted, published)
            self._present = next(self._left, None)

    def stored(self, others: Mapping[str, JsonValue], *, completed: bool) -> dict[str, JsonValue]:
        """What the position says of backfills after the next commit; `others` is what it says now."""
        kept = {job_id: at for job_id, at in others.items() if job_id != self._job_id}
        if not completed:
            kept[self._job_id] = self._mark.as_json()
        return dict(list(kept.items())[-MOST:])

    def facts(self) -> dict[str, Any]:
        """What a run's report says of it."""
        until = self._mark.dump(self.until)
        return {"until": until, "slices": self.slices, "slices_done": self.done}


def backfill_id(connector: type[BaseConnector], since: JsonValue, until: JsonValue) -> str:
    """The job id of a backfill asked for by its bounds: the same ones mean the same backfill."""
    dump = Watermark(connector, None).dump
    first, last = (dump(_in_utc(bound)) for bound in parse_bounds(connector, since, until))
    return f"backfill {source_name(connector)} {first} {last}"


def _in_utc(value: Any) -> Any:
    aware = isinstance(value, datetime) and value.utcoffset() is not None
    return value.astimezone(UTC) if aware else value
