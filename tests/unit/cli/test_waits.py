"""A person at a terminal sees that something is waited for, why and until when."""

import logging
from datetime import UTC, datetime

import pytest

from cli.waits import telling_waits
from connectors import resilient_request
from connectors.resilience import sleeping_with

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@resilient_request(attempts=3, random=lambda: 1.0)
def page() -> str:
    if not NOON_PASSED:
        NOON_PASSED.append(1)
        raise TimeoutError("not known")
    return "page"


NOON_PASSED: list[int] = []


@pytest.mark.parametrize("terminal", [True, False])
def test_each_retry_is_one_plain_line_in_a_terminal_and_a_log_line_elsewhere(
    caplog: pytest.LogCaptureFixture, terminal: bool
) -> None:
    NOON_PASSED.clear()
    said: list[str] = []
    with (
        caplog.at_level(logging.INFO),
        telling_waits(said.append, terminal=terminal, now=lambda: NOON),
        sleeping_with(lambda seconds: None),
    ):
        assert page() == "page"
    line = "page failed at attempt 1: the API did not answer: TimeoutError not known; next in 0.5 s"
    assert said == ([f"{line}; goes on at 12:00:00"] if terminal else [])
    assert [record.getMessage() for record in caplog.records] == ([] if terminal else [line])


def test_afterwards_and_what_is_no_wait_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []
    log = logging.getLogger("connectors.http.client")
    with caplog.at_level(logging.INFO), telling_waits(said.append, terminal=True, now=lambda: NOON):
        log.info("waiting 40.0 s because of %s", "5/minute of github", extra={"wait_seconds": 40.0})
        log.info("something else")
    log.info("waiting again", extra={"wait_seconds": 40.0})
    assert said == ["waiting 40.0 s because of 5/minute of github; goes on at 12:00:40"]
    assert [record.getMessage() for record in caplog.records] == ["something else"]
