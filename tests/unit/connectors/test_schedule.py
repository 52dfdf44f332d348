"""Due times: intervals, cron, clock changes, and texts that cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ScheduleError
from connectors.schedule import Every, Schedule, cron, every, parse_schedule


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def dues(schedule: Schedule, start: str, count: int) -> list[str]:
    moments, t = [], at(start)
    for _ in range(count):
        t = schedule.next_after(t)
        moments.append(t.strftime("%Y-%m-%dT%H:%MZ"))
    return moments


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("every 15m", 900),
        ("every 30s", 30),
        ("every 1h30m", 5400),
        ("every 2d", 172800),
        (" every 1h ", 3600),
    ],
)
def test_interval_texts(text: str, seconds: int) -> None:
    assert parse_schedule(text) == every(seconds=seconds)


def test_intervals_are_whole_multiples_since_the_epoch_whenever_the_daemon_started() -> None:
    schedule = every(minutes=15)
    assert dues(schedule, "2026-11-22T16:37:12Z", 2) == ["2026-11-22T16:45Z", "2026-11-22T17:00Z"]
    assert dues(schedule, "2026-11-22T16:44:59.999999Z", 1) == ["2026-11-22T16:45Z"]


def test_due_is_strictly_after() -> None:
    assert every(hours=1).next_after(at("2026-11-22T16:00:00Z")) == at("2026-11-22T17:00:00Z")
    assert cron("0 6 * * *").next_after(at("2026-11-22T06:00:00Z")) == at("2026-11-23T06:00:00Z")


@given(
    seconds=st.integers(1, 366 * 86400),
    t=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_any_interval_is_due_once_within_itself(seconds: int, t: datetime) -> None:
    due = Every(timedelta(seconds=seconds)).next_after(t)
    assert timedelta(0) < due - t <= timedelta(seconds=seconds)
    assert due.timestamp() % seconds == 0


@given(t=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_cron_is_due_later_and_without_gaps_around_clock_changes(t: datetime) -> None:
    schedule = cron("30 2 * * *", "Europe/Berlin")
    due = schedule.next_after(t)
    assert t < due <= t + timedelta(hours=26)
    assert due.astimezone(ZoneInfo("Europe/Berlin")).strftime("%H:%M") in ("02:30", "03:00")


def test_cron_with_a_zone_follows_summer_time() -> None:
    schedule = parse_schedule("cron 0 6 * * * Europe/Berlin")
    assert dues(schedule, "2026-03-28T00:00Z", 2) == ["2026-03-28T05:00Z", "2026-03-29T04:00Z"]


def test_cron_without_a_zone_is_utc() -> None:
    assert dues(parse_schedule("cron 0 6 * * *"), "2026-03-28T00:00Z", 1) == ["2026-03-28T06:00Z"]


def test_a_time_that_spring_leaves_out_comes_due_when_the_clocks_go_on() -> None:
    schedule = cron("30 2 * * *", "Europe/Berlin")
    # 2026-03-29 has no 02:30 in Berlin: 02:00 becomes 03:00, which is 01:00 UTC.
    assert dues(schedule, "2026-03-28T12:00Z", 2) == ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]


def test_a_time_that_autumn_repeats_comes_due_once() -> None:
    schedule = cron("30 2 * * *", "Europe/Berlin")
    assert dues(schedule, "2026-10-24T12:00Z", 2) == ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]


def test_asked_within_the_repeated_hour_the_answer_lies_ahead() -> None:
    # 01:30 UTC is the second 02:30 of that night; 02:45 was due in the first pass.
    due = cron("45 2 * * *", "Europe/Berlin").next_after(at("2026-10-25T01:30Z"))
    assert due == at("2026-10-26T01:45Z")


def test_hourly_jobs_run_in_both_passes_of_the_repeated_hour() -> None:
    schedule = cron("30 * * * *", "Europe/Berlin")
    assert dues(schedule, "2026-10-24T23:45Z", 3) == [
        "2026-10-25T00:30Z",
        "2026-10-25T01:30Z",
        "2026-10-25T02:30Z",
    ]


def test_day_zero_and_seven_are_sunday() -> None:
    assert dues(cron("0 0 * * 0"), "2026-11-20T00:00Z", 1) == ["2026-11-22T00:00Z"]
    assert dues(cron("0 0 * * 7"), "2026-11-20T00:00Z", 1) == ["2026-11-22T00:00Z"]


def test_answers_are_utc_whatever_the_zone_of_the_question() -> None:
    due = cron("0 6 * * *", "Asia/Tokyo").next_after(
        datetime(2026, 1, 1, tzinfo=ZoneInfo("America/New_York"))
    )
    assert due.tzinfo is UTC


def test_descriptions_are_for_people() -> None:
    assert every(minutes=90).describe() == "every 1h30m"
    assert cron("0 6 * * *", "Europe/Berlin").describe() == "At 06:00 every day (Europe/Berlin)"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hourly", "cannot be read"),
        ("", "cannot be read"),
        ("every", "cannot be read"),
        ("every 15", "cannot be read"),
        ("every 15 min", "cannot be read"),
        ("every -5m", "cannot be read"),
        ("every 0s", "makes no schedule"),
        ("every 999999999d", "makes no schedule"),
        ("cron 0 6 * *", "needs five fields"),
        ("cron 0 6 * * * Europe/Berlin extra", "needs five fields"),
        ("cron 61 * * * *", "Bad minute"),
        ("cron 0 0 30 2 *", "Bad day-of-month"),
        ("cron 0 0 LW * */7", "never comes due"),
        ("cron 0 6 * * * Mars/Base", "time zone 'Mars/Base' is unknown"),
        ("cron 0 6 * * * ../etc/passwd", "is unknown"),
        ("cron 0 6 * * * Europe", "is unknown"),
        (15, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason.replace("*", r"\*")):
        parse_schedule(text)


def test_a_schedule_of_ones_own_is_taken_as_it_is() -> None:
    class Never:
        def next_after(self, t: datetime) -> datetime:
            return t + timedelta(days=36500)

        def describe(self) -> str:
            return "never"

    own = Never()
    assert parse_schedule(own) is own


@pytest.mark.parametrize("schedule", [every(hours=1), cron("0 6 * * *")])
def test_a_time_without_zone_is_refused(schedule: Schedule) -> None:
    with pytest.raises(ScheduleError, match="aware"):
        schedule.next_after(datetime(2026, 1, 1))  # noqa: DTZ001
