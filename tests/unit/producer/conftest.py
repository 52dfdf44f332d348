"""Fixtures of the producer's unit tests."""

import pytest

from tests.unit.producer.support import SettableClock


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()
