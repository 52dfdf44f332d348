"""What headers say about quotas, as the APIs of the world write them; and what is no header at all."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.quotas import LONGEST, Quota, quotas_of

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


def read(headers: dict[str, str], status: int = 200) -> tuple[Quota, ...]:
    return quotas_of(httpx.Headers(headers), status, NOW)


def family(remaining: str, reset: str) -> dict[str, str]:
    return {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": reset}


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("300", 300),
        ("0", 0),
        ("12.5", 12.5),
        (str(EPOCH + 300), 301),
        (str((EPOCH + 300) * 1000), 301),
        ("Wed, 25 Nov 2026 14:05:00 GMT", 301),
        ("2026-11-25T14:05:00Z", 301),
        ("2026-11-25T15:05:00+01:00", 301),
        (str(EPOCH - 5), 0),
        (str(EPOCH + 90 * 86400), LONGEST),
        ("100000000", LONGEST),
        ("9" * 16, None),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("1e5", None),
    ],
)
def test_a_reset_is_told_apart(reset: str, seconds: float | None) -> None:
    (quota,) = read(family("7", reset))
    assert quota == Quota("X-RateLimit", 7, seconds, 60, None)


def test_instants_are_measured_by_the_clock_of_the_answer() -> None:
    """Ours may be wrong by years: the API's own Date and reset agree with each other."""
    headers = {**family("0", str(EPOCH + 400)), "Date": "Wed, 25 Nov 2026 14:05:00 GMT"}
    wrong = datetime(1970, 1, 2, tzinfo=UTC)
    (quota,) = quotas_of(httpx.Headers(headers), 200, wrong)
    assert quota.reset == 101
    retry = {"Retry-After": "Wed, 25 Nov 2026 14:05:30 GMT", "Date": "Wed, 25 Nov 2026 14:05:00 GMT"}
    assert quotas_of(httpx.Headers(retry), 503, wrong) == (Quota("Retry-After", 0, 30.0),)


@pytest.mark.parametrize(
    ("headers", "quotas"),
    [
        # GitHub
        (
            {**family("0", str(EPOCH + 9)), "X-RateLimit-Resource": "search"},
            [Quota("search", 0, 10.0, 60)],
        ),
        # Twitter
        (
            {"x-rate-limit-limit": "15", "x-rate-limit-remaining": "3", "x-rate-limit-reset": str(EPOCH + 9)},
            [Quota("X-Rate-Limit", 3, 10.0, 15)],
        ),
        # Discord: what is to go is said beside the instant
        (
            {**family("0", str(EPOCH + 99)), "X-RateLimit-Reset-After": "1.25", "X-RateLimit-Bucket": "ab"},
            [Quota("ab", 0, 1.25, 60)],
        ),
        # Reddit
        ({"x-ratelimit-remaining": "598.0", "x-ratelimit-reset": "240"}, [Quota("X-RateLimit", 598, 240.0)]),
        # drafts 00 to 06
        (
            {"RateLimit-Limit": "100", "RateLimit-Remaining": "50", "RateLimit-Reset": "50"},
            [Quota("RateLimit", 50, 50.0, 100)],
        ),
        (
            {"RateLimit-Limit": '100, 100;w=60;comment="a, b"', "RateLimit-Remaining": "0"},
            [Quota("RateLimit", 0, 60.0, 100, 60.0)],
        ),
        (
            {
                "RateLimit-Limit": "50",
                "RateLimit-Remaining": "0",
                "RateLimit-Policy": "10;w=1, 50;w=60, 1000;w=3600",
            },
            [Quota("RateLimit", 0, 60.0, 50, 60.0)],
        ),
        # draft 07
        ({"RateLimit": "limit=100, remaining=50, reset=5"}, [Quota("RateLimit", 50, 5.0, 100)]),
        # draft 08 and later
        (
            {
                "RateLimit": '"burst";r=0;t=2, "daily";r=900;t=4000',
                "RateLimit-Policy": '"burst";q=100;w=60,"daily";q=1000;w=86400',
            },
            [Quota("burst", 0, 2.0, 100, 60.0), Quota("daily", 900, 4000.0, 1000, 86400.0)],
        ),
        (
            {"RateLimit": '"p";r=0', "RateLimit-Policy": '"p";q=5;w=30;pk=:cHsdsRa894==:'},
            [Quota("p", 0, 30.0, 5, 30.0)],
        ),
        # not a count of requests
        ({"RateLimit": '"b";r=0;t=9', "RateLimit-Policy": '"b";q=5;w=9;qu="content-bytes"'}, []),
    ],
)
def test_each_family_is_read(headers: dict[str, str], quotas: list[Quota]) -> None:
    assert list(read(headers)) == quotas


@pytest.mark.parametrize(
    ("text", "status", "seconds"),
    [
        ("30", 429, 30.0),
        ("Wed, 25 Nov 2026 14:01:00 GMT", 503, 60.0),
        ("99999999", 429, LONGEST),
        ("30", 200, None),
        ("30", 301, None),
        ("0", 429, None),
        ("Wed, 25 Nov 2026 13:00:00 GMT", 429, None),
        ("later", 429, None),
    ],
)
def test_retry_after_is_a_quota_of_its_own(text: str, status: int, seconds: float | None) -> None:
    expected = () if seconds is None else (Quota("Retry-After", 0, seconds),)
    assert read({"Retry-After": text}, status) == expected


def test_a_429_that_does_not_say_how_many_are_left_says_none() -> None:
    (quota,) = read({"X-RateLimit-Reset": "30"}, 429)
    assert quota.exhausted


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-RateLimit-Limit": "60"},
        {"X-RateLimit-Remaining": "-1"},
        {"X-RateLimit-Remaining": "many", "X-RateLimit-Reset": "soon"},
        {"RateLimit": "?"},
        {"RateLimit": '"open;r=0'},
        {"RateLimit": '"a";r=x;t=1'},
        {"RateLimit": "r=0;t=1"},
        {"RateLimit": ", , ,"},
        {"RateLimit": '"a";r=0;t=' + "9" * 5000},
    ],
)
def test_garbage_limits_nobody(headers: dict[str, str]) -> None:
    assert not any(quota.exhausted for quota in read(headers))


NAMES = (
    "Date",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    *(
        f"{prefix}-{part}"
        for prefix in ("X-RateLimit", "X-Rate-Limit", "RateLimit")
        for part in ("Limit", "Remaining", "Reset", "Reset-After", "Resource")
    ),
)
PIECES = st.sampled_from(
    ['"a"', ";", "r=0", "t=9", "=", ",", " ", "w=", "9" * 12, ":", "\\", "Wed", "-", "."]
)
TEXTS = st.one_of(
    st.lists(PIECES, max_size=40).map("".join),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0")),
)


@given(st.dictionaries(st.sampled_from(NAMES), TEXTS), st.sampled_from([200, 403, 429, 503]))
def test_whatever_comes_is_read_and_bounded(headers: dict[str, str], status: int) -> None:
    for quota in quotas_of({name.lower(): text for name, text in headers.items()}, status, NOW):
        assert quota.remaining is None or quota.remaining >= 0
        assert quota.reset is None or 0 <= quota.reset <= LONGEST
        assert 0 < len(quota.name) <= 64
