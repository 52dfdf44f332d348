"""Loaders that die at any moment: what readers see afterwards is each record once."""

import random
import time
from collections.abc import Callable

import pytest

from tests.daemon_process import DaemonProcess, until
from tests.integration.consumer.conftest import Source, Warehouse

Sources = Callable[..., Source]
Processes = Callable[..., DaemonProcess]

# Small batches, so that a kill meets many different moments.
QUICK = {
    "INGEST_CONSUMER__BATCH_ROWS": "700",
    "INGEST_CONSUMER__BATCH_SECONDS": "0.1",
    # A group notices a killed member only after this.
    "INGEST_KAFKA__PROPERTIES__SESSION_TIMEOUT_MS": "6000",
    "INGEST_KAFKA__PROPERTIES__HEARTBEAT_INTERVAL_MS": "300",
}


@pytest.mark.timeout(240)
def test_killed_again_and_again_each_record_is_visible_once(
    source: Sources, loader_process: Processes, warehouse: Warehouse
) -> None:
    total, slice_ = 60_000, 15_000
    weather = source("weather").create(4)
    moments = random.Random(7)
    for start in range(0, total - slice_, slice_):
        weather.publish(range(start, start + slice_))
        doomed = loader_process(**QUICK)
        _until_more(warehouse)
        time.sleep(moments.uniform(0, 0.2))
        doomed.process.kill()
    weather.publish(range(total - slice_, total))
    last = [loader_process(**QUICK), loader_process(**QUICK)]
    until(lambda: warehouse.count("weather") == total, f"{total} rows", seconds=120)
    assert warehouse.rows(
        "SELECT count(), uniqExact(n), min(n), max(n), uniqExact(_epoch, _partition, _offset) FROM weather"
    ) == [(total, total, 0, total - 1, total)]
    assert [one.end() for one in last] == [0, 0]


def _until_more(warehouse: Warehouse) -> None:
    seen = warehouse.count("weather")
    until(lambda: warehouse.count("weather") > seen, "some progress")


def test_sigterm_finishes_commits_and_exits_0(
    source: Sources, loader_process: Processes, warehouse: Warehouse
) -> None:
    weather = source("weather").create(2)
    weather.publish(range(3000))
    running = loader_process(INGEST_CONSUMER__BATCH_SECONDS="30")
    until(lambda: warehouse.count("weather") > 0, "the first rows")
    weather.publish(range(3000, 3100))
    until(lambda: running.metric("ingest_unloaded_bytes") > 0, "a batch that is open for another 30 s")
    before = warehouse.count("weather")
    assert running.end() == 0
    assert warehouse.count("weather") > before
    weather.publish(range(3100, 3200))
    second = loader_process(INGEST_CONSUMER__BATCH_SECONDS="0.1")
    until(lambda: warehouse.count("weather") == 3200, "3200 rows")
    assert second.end() == 0
    # Nothing was written twice: what the first one stored, it had committed.
    assert warehouse.rows("SELECT count() FROM weather__log") == [(3200,)]


@pytest.mark.requires_kafka
def test_the_successor_of_a_killed_loader_says_what_it_waits_for(
    source: Sources, loader_process: Processes, warehouse: Warehouse
) -> None:
    weather = source("weather").create(1)
    weather.publish(range(10))
    quick = {**QUICK, "INGEST_KAFKA__PROPERTIES__SESSION_TIMEOUT_MS": "12000"}
    killed = loader_process(**quick)
    until(lambda: warehouse.count("weather") == 10, "10 rows")
    assert "1 assigned, of 1 topic\n" in killed.probe("/readyz?verbose")[1]
    killed.process.kill()
    weather.publish(range(10, 20))
    successor = loader_process(**quick)
    until(
        lambda: "at most session.timeout.ms=12000" in successor.log(), "words about the time-out", seconds=11
    )
    assert "partitions:\n  owns nothing yet\n" in successor.probe("/readyz?verbose")[1]
    until(lambda: warehouse.count("weather") == 20, "20 rows")
