"""IngestionEngine: what it says of a connector before there are items. The rest needs a broker."""

import inspect
import re
import threading
from types import SimpleNamespace
from typing import Any, ClassVar, Self, cast

import pytest
from pydantic import BaseModel

from connectors.base import BaseConnector
from connectors.errors import QuotaExhaustedError
from producer.engine import IngestionEngine, Requeued
from producer.errors import SourceError, source_error
from producer.lease import TimedLease
from producer.limiter import RateLimiter
from producer.ownership import GroupOwnership
from producer.positions import Position
from producer.run import RunReport
from runtime.settings import ProducerSettings
from schemas.records import JobPayload
from tests.unit.producer.support import START, SettableClock


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
    limiter = RateLimiter({}, requests={"weather": "1/hour"})
    budget = limiter.budget("weather")
    assert (budget.take("host"), budget.take("host") is None) == (None, False)
    engine = IngestionEngine(
        cast("Any", stuck),
        limiter,
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
    clock.forward(4.0)
    assert engine.waits_for("weather") is None
    clock.forward(27.0)
    assert "because of quota 1/hour" in (engine.waits_for("weather") or "")
    assert engine.silent_for("weather") == 31.0
    assert engine.silent_for("news") is None
    stuck.held.set()
    thread.join(10)
    assert engine.silent_for("weather") is None
    assert engine.waits_for("weather") is None


class Done:
    """A publisher that finds the job done by another producer, and a preparation of its source."""

    def connector(self, source: str) -> Any:
        return self

    @classmethod
    def parse_since(cls, since: object) -> object:
        return since

    def prepare(self, connector: Any) -> Any:
        return SimpleNamespace(connector=connector, target=SimpleNamespace(source="weather"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""

    def take_over(self) -> Position:
        return Position(
            source="weather", cursor=7, run_id="theirs", at=START, writer="other:1", jobs=("asked",)
        )


def test_a_job_that_another_producer_has_done_meanwhile_is_not_run_again() -> None:
    done, place = Done(), TimedLease("the place", 60)
    ownership = GroupOwnership(place, threading.Event())
    ownership.gain("weather")
    place.grant()
    engine = IngestionEngine(
        cast("Any", done),
        RateLimiter({}),
        cast("Any", None),
        cast("Any", None),
        lambda target: cast("Any", done),
        ProducerSettings(),
        ownership=ownership,
    )
    report = engine.run(JobPayload(source="weather", job_id="asked"))
    assert isinstance(report, RunReport)
    assert (report.completed, report.extracted, report.cursor) == (True, 0, 7)


class Paged(BaseConnector):
    name = "weather"
    cursor: ClassVar[str | None] = "id"

    class Record(BaseModel):
        id: int

    def extract(self, since: Any = None) -> Any:
        raise KeyError("price")


def ending(monkeypatch: pytest.MonkeyPatch, connector: BaseConnector, error: Exception) -> IngestionEngine:
    """An engine whose runs end with what `error`, raised in the connector's thread, is made into."""

    def run(*_: Any) -> RunReport:
        raise source_error("weather", "extract", error) from error

    prepared = SimpleNamespace(connector=connector, target=SimpleNamespace(source="weather"))
    preparation = SimpleNamespace(connector=lambda source: connector, prepare=lambda connector: prepared)
    monkeypatch.setattr(IngestionEngine, "_run", run)
    nothing: Any = None
    return IngestionEngine(
        cast("Any", preparation), RateLimiter({}), nothing, nothing, nothing, ProducerSettings()
    )


def test_an_error_of_a_connector_names_the_line_in_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = Paged()
    with pytest.raises(KeyError) as raised:
        connector.extract()
    line = inspect.getsourcelines(Paged.extract)[1] + 1
    with pytest.raises(SourceError, match=rf"extract: KeyError: 'price' \({re.escape(__file__)}:{line}\)"):
        ending(monkeypatch, connector, raised.value).run(JobPayload(source="weather"))


def test_an_error_that_is_not_from_the_author_s_file_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match=r"extract: ValueError: elsewhere$"):
        ending(monkeypatch, Paged(), ValueError("elsewhere")).run(JobPayload(source="weather"))


@pytest.mark.parametrize("cursor", ["id", None])
def test_a_quota_that_ends_a_run_without_cursor_says_that_it_begins_anew(
    monkeypatch: pytest.MonkeyPatch, cursor: str | None
) -> None:
    connector = type("Own", (Paged,), {"cursor": cursor})()
    error = QuotaExhaustedError("5/hour of weather", START, retry_after=60.0)
    outcome = ending(monkeypatch, connector, error).run(JobPayload(source="weather"))
    assert isinstance(outcome, Requeued)
    assert ("begins anew" in outcome.reason) == (cursor is None)
