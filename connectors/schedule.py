"""When a source is due: intervals and cron expressions, as pure functions of time.

    every(minutes=15)                    "every 15m"
    cron("0 6 * * *")                    "cron 0 6 * * *"                  06:00 UTC
    cron("0 6 * * *", "Europe/Berlin")   "cron 0 6 * * * Europe/Berlin"    06:00 there, summer and winter

Nothing here waits, keeps state or knows the present: the producer asks `next_after(t)` and does the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from connectors.errors import ScheduleError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d{1,9})([smhd])")
_SECOND, _LONGEST = timedelta(seconds=1), timedelta(days=366)
_HOW = 'write "every 15m" (s, m, h, d; also "1h30m"), "cron 0 6 * * *" or "cron 0 6 * * * Europe/Berlin"'


@runtime_checkable
class Schedule(Protocol):
    """What the producer needs to know; a class of your own with these two methods is as good as ours."""

    def next_after(self, t: datetime) -> datetime:
        """First due time strictly after `t`; both aware, the answer in UTC. Pure: same `t`, same answer."""
        ...

    def describe(self) -> str:
        """The schedule in words, for people."""
        ...


@dataclass(frozen=True)
class Every:
    """Due at whole multiples of `interval` since 1970-01-01T00:00Z.

    Aligned to the epoch and not to the start of the daemon, so that a restart or another machine has the
    same due times. The price: all sources of one interval are due at the same moment; the producer's
    workers bound them.
    """

    interval: timedelta

    def __post_init__(self) -> None:
        if not _SECOND <= self.interval <= _LONGEST or self.interval % _SECOND:
            raise ScheduleError(
                f"an interval of {self.interval} makes no schedule: "
                f"take whole seconds, at most {_LONGEST.days} days"
            )

    def next_after(self, t: datetime) -> datetime:
        _check_aware(t)
        return _EPOCH + ((t - _EPOCH) // self.interval + 1) * self.interval

    def describe(self) -> str:
        words, rest = [], self.interval // _SECOND
        for unit, seconds in reversed(_UNITS.items()):
            count, rest = divmod(rest, seconds)
            if count:
                words.append(f"{count}{unit}")
        return "every " + "".join(words)


@dataclass(frozen=True)
class Cron:
    """Due when the wall clock of the zone `tz` fits the five-field `expression`.

    A fixed time that the spring change leaves out comes due when the clocks go on (02:30 becomes 03:00);
    one that autumn repeats comes due once. Day 0 and 7 are Sunday.
    """

    expression: str
    tz: str = "UTC"

    def __post_init__(self) -> None:
        if len(self.expression.split()) != 5:
            raise ScheduleError(
                f"cron expression {self.expression!r} needs five fields: minute hour day month weekday"
            )
        try:
            self.next_after(_EPOCH)
        except CronSimError as exc:
            raise ScheduleError(f"cron expression {self.expression!r} cannot be read: {exc}") from exc

    def next_after(self, t: datetime) -> datetime:
        _check_aware(t)
        for due in CronSim(self.expression, t.astimezone(_zone(self.tz))):
            # While autumn repeats an hour, cronsim may answer with the hour's first pass, which is over.
            if due.astimezone(UTC) > t:
                return due.astimezone(UTC)
        raise ScheduleError(f"cron expression {self.expression!r} never comes due")

    def describe(self) -> str:
        return f"{CronSim(self.expression, _EPOCH).explain()} ({self.tz})"


def every(*, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> Every:
    """An interval; ScheduleError if it is not above zero and at most 366 days."""
    return Every(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))


def cron(expression: str, tz: str = "UTC") -> Cron:
    """A five-field cron expression in an IANA time zone; ScheduleError names what cannot be read."""
    return Cron(expression, tz)


def parse_schedule(schedule: Schedule | str) -> Schedule:
    """Read the text form; a Schedule is returned as it is. ScheduleError says how to write it."""
    if isinstance(schedule, Schedule):
        return schedule
    kind, _, rest = schedule.strip().partition(" ") if isinstance(schedule, str) else ("", "", "")
    if kind == "every":
        return Every(_interval(rest, schedule))
    if kind == "cron":
        fields = rest.split()
        return Cron(" ".join(fields[:5]), *fields[5:6]) if len(fields) <= 6 else Cron(rest)
    raise ScheduleError(f"schedule {schedule!r} cannot be read: {_HOW}")


def _interval(text: str, schedule: str) -> timedelta:
    parts = _PART.findall(text)
    if not parts or "".join(count + unit for count, unit in parts) != text.replace(" ", ""):
        raise ScheduleError(f"schedule {schedule!r} cannot be read: {_HOW}")
    try:
        return timedelta(seconds=sum(int(count) * _UNITS[unit] for count, unit in parts))
    except OverflowError as exc:
        raise ScheduleError(f"schedule {schedule!r} is too long: {_LONGEST.days} days at most") from exc


def _zone(tz: str) -> ZoneInfo:
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError) as exc:  # unknown, absolute or "..", a folder of the zone database
        raise ScheduleError(
            f"time zone {tz!r} is unknown: write an IANA name such as Europe/Berlin or UTC"
        ) from exc


def _check_aware(t: datetime) -> None:
    if t.utcoffset() is None:
        raise ScheduleError(f"{t!r} has no time zone: pass an aware datetime")
