"""The same work as in `peers`, done by the code that the daemons run.

The addresses are taken from the environment, as the daemons take them.
"""

import threading
import time
import uuid
from pathlib import Path
from typing import Any
from unittest.mock import patch

import clickhouse_connect

from benchmarks.idempotent import IdempotentPublisher
from consumer import metrics
from consumer.daemon import LoaderDaemon
from producer.once import run_once
from producer.target import Target, producer_properties
from runtime.settings import ProducerSettings, Settings, load_settings
from runtime.stopping import Stopping

SOURCES = Path(__file__).parent / "sources"
SAMPLE_SECONDS = 0.005
CHECKPOINT = str(ProducerSettings().checkpoint_records)


def producer(prefix: str, count: str, checkpoint: str = CHECKPOINT) -> dict[str, Any]:
    """One run of the source `readings`: from a generator of dicts to the last commit.

    A transaction has `checkpoint` records.
    """
    return _produced(_readings(prefix, count, checkpoint), int(count))


def idempotent_producer(prefix: str, count: str, checkpoint: str = CHECKPOINT) -> dict[str, Any]:
    """The same run with a producer that is idempotent only: to the last acknowledgement."""
    settings = _readings(prefix, count, checkpoint)

    def publisher(target: Target, **_: Any) -> IdempotentPublisher:
        return IdempotentPublisher(producer_properties(settings, target), target)

    with patch("producer.assembly.Publisher", publisher):
        return _produced(settings, int(count))


def _readings(prefix: str, count: str, checkpoint: str) -> Settings:
    return load_settings(
        {
            "topic_prefix": prefix,
            "connectors": {"paths": str(SOURCES)},
            "sources": {"readings": {"count": int(count)}},
            "producer": {"checkpoint_records": int(checkpoint)},
        }
    )


def _produced(settings: Settings, count: int) -> dict[str, Any]:
    report = run_once(settings, "readings")
    if report.published != count:
        raise RuntimeError(f"{report.published} of {count} records were acknowledged")
    return {"records": report.published, "seconds": report.seconds}


def loader(prefix: str, count: str) -> dict[str, Any]:
    """The loading daemon, from its first fetched message to the last row that ClickHouse acknowledged.

    It loads the topic `<prefix>.readings` into a database of its own, with a group of its own.
    """
    settings = _own_place(prefix)
    client = clickhouse_connect.get_client(
        **{**settings.clickhouse.client_arguments(), "database": "default"}
    )
    client.command(f"CREATE DATABASE {settings.clickhouse.address.database}")
    seconds: list[float] = []
    with Stopping() as stopping:
        watch = threading.Thread(target=lambda: seconds.append(_watch(int(count), stopping)))
        watch.start()
        LoaderDaemon(settings, stopping).run()
        watch.join()
    rows = client.query(f"SELECT count() FROM {settings.clickhouse.address.database}.readings").result_rows[
        0
    ][0]
    client.command(f"DROP DATABASE {settings.clickhouse.address.database}")
    if rows != int(count):
        raise RuntimeError(f"{rows} of {count} rows are visible")
    return {"records": rows, "seconds": seconds[0]}


def _own_place(prefix: str) -> Settings:
    word = f"bench_{uuid.uuid4().hex[:8]}"
    server, _, _ = load_settings().clickhouse.url.get_secret_value().rpartition("/")
    return load_settings(
        {
            "topic_prefix": prefix,
            "clickhouse": {"url": f"{server}/{word}"},
            "consumer": {"group": word},
            "http": {"port": 0},
            "log": {"level": "warning"},
        }
    )


def _watch(count: int, stopping: Stopping) -> float:
    """Seconds from the first record taken in to the last row acknowledged; stops the daemon then."""
    _until(lambda: _value(metrics.UNLOADED) > 0)
    started = time.perf_counter()
    _until(lambda: _value(metrics.ROWS.labels("readings__log")) >= count)
    seconds = time.perf_counter() - started
    stopping.stop("everything is loaded")
    return seconds


def _until(done: Any) -> None:
    while not done():
        time.sleep(SAMPLE_SECONDS)


def _value(metric: Any) -> float:
    sample: float = metric.collect()[0].samples[0].value
    return sample
