"""What happens next to a job whose run ended because somebody else came in between."""

import pytest

from connectors.errors import LeaseLostError
from producer.errors import (
    NextStep,
    NotOwnedError,
    OvertakenError,
    PublisherFencedError,
    next_step,
    source_error,
)


def lease_lost_in_the_connector() -> Exception:
    lost = LeaseLostError("weather: this process may no longer own it")
    error = source_error("weather", "extract", lost)
    error.__cause__ = lost
    return error


@pytest.mark.parametrize(
    "error",
    [lease_lost_in_the_connector(), NotOwnedError("weather: another's"), OvertakenError("weather: fenced")],
    ids=lambda error: type(error.__cause__ or error).__name__,
)
def test_a_run_that_had_to_make_way_is_put_back_without_using_up_attempts(error: Exception) -> None:
    assert next_step(error) is NextStep.WAIT


def test_a_process_in_no_group_that_was_fenced_stops() -> None:
    assert next_step(PublisherFencedError("weather: fenced")) is NextStep.STOP
