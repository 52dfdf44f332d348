"""TimedLease: young proof or no request, whichever clock notices that time has passed."""

import time

import pytest

from connectors.errors import LeaseLostError
from producer.clocks import boot_id, boottime
from producer.lease import TimedLease


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def up() -> Clock:
    return Clock()


@pytest.fixture
def wall() -> Clock:
    return Clock()


@pytest.fixture
def lease(up: Clock, wall: Clock) -> TimedLease:
    return TimedLease("weather", 5.0, clocks=(up, wall))


def test_nothing_is_owned_before_it_was_granted(lease: TimedLease) -> None:
    with pytest.raises(LeaseLostError, match=r"weather: .* never granted"):
        lease.check()
    assert not lease.valid


def test_it_is_valid_while_the_last_proof_is_young(lease: TimedLease, up: Clock) -> None:
    lease.grant()
    for _ in range(10):
        up.seconds += 4.9
        lease.check()
        lease.grant()
    up.seconds += 5.0
    with pytest.raises(LeaseLostError, match=r"5\.0 s old, 5 s are allowed"):
        lease.check()


@pytest.mark.parametrize("clock", ["up", "wall"])
def test_either_clock_ends_it(lease: TimedLease, clock: str, request: pytest.FixtureRequest) -> None:
    lease.grant()
    request.getfixturevalue(clock).seconds += 3600.0
    with pytest.raises(LeaseLostError):
        lease.check()


def test_a_proof_is_as_old_as_its_question(lease: TimedLease, up: Clock) -> None:
    lease.grant()
    asked_at = lease.moment()
    up.seconds += 60.0
    lease.grant(asked_at)
    with pytest.raises(LeaseLostError):
        lease.check()
    lease.grant()
    lease.check()


def test_a_lapse_stays_a_lapse_when_the_wall_clock_is_set_back(lease: TimedLease, wall: Clock) -> None:
    lease.grant()
    wall.seconds += 60.0
    assert not lease.valid
    wall.seconds -= 60.0
    with pytest.raises(LeaseLostError):
        lease.check()


def test_a_wall_clock_set_back_ends_nothing(lease: TimedLease, wall: Clock, up: Clock) -> None:
    lease.grant()
    wall.seconds -= 3600.0
    lease.check()
    up.seconds += 6.0
    with pytest.raises(LeaseLostError):
        lease.check()


def test_who_lost_it_says_why(lease: TimedLease) -> None:
    lease.grant()
    lease.revoke("partition 3 went to another producer")
    with pytest.raises(LeaseLostError, match="partition 3 went to another producer"):
        lease.check()


def test_the_real_clock_goes_forward_and_knows_its_machine() -> None:
    before = boottime()
    time.sleep(0.01)
    assert boottime() > before
    assert boot_id() == boot_id()
