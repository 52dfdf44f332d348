"""Waiting: speaks when it takes long, now and then, and when it is over; silent otherwise."""

import structlog

from producer.waiting import Waiting
from tests.unit.producer.support import SettableClock


def test_it_speaks_late_rarely_and_at_the_end(clock: SettableClock) -> None:
    changes: list[bool] = []
    waiting = Waiting("acknowledgements", on_change=changes.append, clock=clock, quiet=5, again=30)
    with structlog.testing.capture_logs() as logs:
        waiting.begin()
        for _ in range(100):
            waiting.still(broker="down")
            clock.forward(1)
        waiting.progress()
    assert [line["event"] for line in logs] == ["waiting"] * 4 + ["waiting_over"]
    assert logs[0]["waiting_for"] == "acknowledgements"
    assert logs[0]["broker"] == "down"
    assert changes == [True, False]


def test_a_wait_given_up_is_over_too(clock: SettableClock) -> None:
    changes: list[bool] = []
    waiting = Waiting("acknowledgements", on_change=changes.append, clock=clock, quiet=5)
    clock.forward(6)
    waiting.still()
    waiting.close()
    waiting.close()
    assert changes == [True, False]


def test_a_short_wait_is_not_worth_a_line(clock: SettableClock) -> None:
    waiting = Waiting("acknowledgements", clock=clock)
    with structlog.testing.capture_logs() as logs:
        for _ in range(100):
            clock.forward(3600)
            waiting.begin()
            clock.forward(4)
            waiting.still()
            waiting.progress()
    assert logs == []
