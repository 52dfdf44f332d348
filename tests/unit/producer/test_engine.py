"""IngestionEngine: what it says of a connector before there are items. The rest needs a broker."""

import threading
from typing import Any, cast

import pytest

from producer.engine import IngestionEngine
from producer.limiter import RateLimiter
from runtime.settings import ProducerSettings
from schemas.records import JobPayload
from tests.unit.producer.support import SettableClock


class Stuck:
    """A preparation whose connector's constructor does not come back until it is told to."""

    def __init__(self) -> None:
        self.inside, self.held = threading.Event(), threading.Event()

    def connector(self, source: str) -> Any:
        self.inside.set()
        self.held.wait(10)
        raise ValueError("built after all, and broken")


def test_a_constructor_that_hangs_is_silent_as_a_generator_that_hangs_is(clock: SettableClock) -> None:
    stuck = Stuck()
    engine = IngestionEngine(
        cast("Any", stuck),
        RateLimiter({}),
        cast("Any", None),
        cast("Any", None),
        cast("Any", None),
        ProducerSettings(),
        now=clock.now,
        clock=clock,
    )

    def run() -> None:
        with pytest.raises(ValueError, match="built after all"):
            engine.run(JobPayload(source="weather"))

    thread = threading.Thread(target=run)
    thread.start()
    assert stuck.inside.wait(10)
    clock.forward(31.0)
    assert engine.silent_for("weather") == 31.0
    assert engine.silent_for("news") is None
    stuck.held.set()
    thread.join(10)
    assert engine.silent_for("weather") is None
