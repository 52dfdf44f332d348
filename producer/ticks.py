"""When a source is due: its schedule, what becomes of missed ticks, and how late each comes on purpose.

Pure functions of time, so that any producer that takes the source over finds the same due times.
"""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import structlog

from connectors.base import BaseConnector, Missed
from connectors.schedule import Schedule, parse_schedule

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ticks:
    """The clock of one source. A tick is missed if it passed while the source was paused, ran, or had no
    producer; `missed` says what becomes of it. A tick is due up to `jitter` later.
    """

    source: str
    schedule: Schedule
    missed: Missed = "once"
    jitter: timedelta = timedelta(0)

    @classmethod
    def of(cls, source: str, connector: type[BaseConnector]) -> Self:
        """As `connector` declares it."""
        return cls(source, parse_schedule(connector.schedule), connector.missed, connector.jitter)

    def after(self, t: datetime) -> datetime | None:
        """The first tick after `t`.

        None if the schedule, which may be a class of the author's own, gives none that can be used.
        """
        try:
            tick = self.schedule.next_after(t)
            return tick.astimezone(UTC) if tick > t else None
        except Exception as exc:
            _log.error("schedule_raised", source=self.source, error=repr(exc))
            return None

    def first(
        self, last_completed: datetime | None, now: datetime, done: datetime | None = None
    ) -> datetime | None:
        """The tick to begin with, where `last_completed` is when the last whole run had started: now, if
        there was none. A time to come, which a clock gone wrong has written, counts as now. `done`, if that
        is known, is the tick that it was for: where all are run, those behind it are still to come.
        """
        if done is not None and self.missed == "all":
            return self.following(done, now)
        if last_completed is None:
            return now
        tick = self.after(min(last_completed, now))
        return self.after(now) if tick is not None and tick < now and self.missed == "skip" else tick

    def following(self, tick: datetime, now: datetime) -> datetime | None:
        """The tick that comes after the run for `tick` has ended at `now`."""
        return self.after(min(tick, now) if self.missed == "all" else now)

    def due(self, tick: datetime) -> datetime:
        """When the run for `tick` is due: the same lateness wherever it is asked."""
        share = zlib.crc32(f"{self.source} {tick.timestamp()}".encode()) / 2**32
        return tick + self.jitter * share
