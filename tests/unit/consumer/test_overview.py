from types import SimpleNamespace
from typing import cast

from consumer.assignment import Assignment
from consumer.loader import Loader
from consumer.overview import Overview
from consumer.workers import Workers
from tests.unit.consumer.conftest import TOPIC


def _loader(assignment: Assignment, *paused: str) -> Loader:
    return cast("Loader", SimpleNamespace(assignment=assignment, paused=frozenset(paused)))


def _workers(**waiting: str) -> Workers:
    waits = {f"ingest.{source}": why for source, why in waiting.items()}
    return cast("Workers", SimpleNamespace(waiting=lambda: waits))


def _overview(loader: Loader, workers: Workers | None = None) -> Overview:
    overview = Overview(secrets=["hunter2"])
    overview.watch_loader(loader)
    overview.watch_workers(workers or _workers())
    return overview


def test_before_the_group_has_answered_it_owns_nothing() -> None:
    nothing = Overview()
    assert (nothing.partitions(), nothing.topics()) == (["owns nothing yet"], [])
    assert _overview(_loader(Assignment())).partitions() == ["owns nothing yet"]


def test_partitions_are_counted_and_those_that_stand_still_are_named(assignment: Assignment) -> None:
    overview = _overview(_loader(assignment))
    assert overview.partitions() == ["3 assigned, of 2 topics"]
    stopped = assignment.get(TOPIC, 1)
    assert stopped is not None
    stopped.stopped = "offset out of range"
    assert overview.partitions()[1:] == [f"{TOPIC}[1] stands still: offset out of range"]
    assert overview.topics() == []


def test_topics_say_what_they_wait_for_and_whether_they_are_paused(assignment: Assignment) -> None:
    workers = _workers(weather="ClickHouse refuses\n  hunter2", news="x" * 1000)
    lines = _overview(_loader(assignment, TOPIC, "ingest.flights"), workers).topics()
    paused = "paused, its unloaded records fill their share of the memory"
    assert lines[0] == f"ingest.flights: {paused}"
    assert lines[1].startswith("ingest.news: waits: xxx")
    assert len(lines[1]) < 400
    assert lines[2] == f"{TOPIC}: waits: ClickHouse refuses **********; {paused}"
