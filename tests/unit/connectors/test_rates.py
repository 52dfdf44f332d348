"""Rate limits as text."""

from __future__ import annotations

import pytest

from connectors.errors import RateLimitError
from connectors.rates import RateLimit, parse_rate_limits


def test_one_limit_or_several() -> None:
    assert parse_rate_limits("10/second") == (RateLimit(10, 1),)
    assert parse_rate_limits(("10/second", "600 / minutes")) == (RateLimit(10, 1), RateLimit(600, 60))
    assert parse_rate_limits(()) == ()


def test_limits_read_back_as_they_are_written() -> None:
    assert [str(limit) for limit in parse_rate_limits(("1/hour", "20/day"))] == ["1/hour", "20/day"]


@pytest.mark.parametrize(
    "text", ["", "10", "0/second", "-1/second", "ten/second", "10/fortnight", "10/s", 10]
)
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(RateLimitError, match="10/second"):
        parse_rate_limits([text])
