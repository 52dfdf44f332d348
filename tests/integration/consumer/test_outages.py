"""Servers that are not there, at the start or in the middle: the loader waits, says for what, and goes on."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from devstack.parts import HttpPart
from devstack.ports import PortBook
from devstack.stack import DevStack
from runtime.settings import Settings
from tests.daemon_process import DaemonProcess, until
from tests.integration.consumer.conftest import LoaderThread, Source, Warehouse
from tests.integration.consumer.doors import Door
from tests.servers import Servers

Sources = Callable[..., Source]
Loaders = Callable[..., LoaderThread]


class Said:
    """What the loader has logged."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self._text = ""

    def __call__(self, words: str) -> bool:
        self._text += self._capfd.readouterr().out
        return words in self._text


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Said:
    return Said(capfd)


def _part(name: str, folder: Path, *options: str) -> HttpPart:
    folder.mkdir()
    probe = {"clickhouse": "/ping", "registry": "/subjects"}[name]
    return HttpPart(
        name,
        PortBook(folder / "ports.json").port(name),
        folder,
        folder / "log",
        module=f"devstack.{name}",
        probe=probe,
        options=("--data", str(folder), *options),
    )


@pytest.fixture
def own_clickhouse(tmp_path: Path) -> Iterator[HttpPart]:
    """A ClickHouse that the test may kill; not started yet."""
    part = _part("clickhouse", tmp_path / "clickhouse", "--user", "default", "--password", "")
    yield part
    part.stop()


@pytest.fixture
def own_registry(tmp_path: Path) -> Iterator[HttpPart]:
    """A registry that the test may kill; not started yet."""
    part = _part("registry", tmp_path / "registry")
    yield part
    part.stop()


def _with_clickhouse(settings: Settings, part: HttpPart) -> Settings:
    url = SecretStr(f"http://default@{part.address}/made_by_the_loader")
    clickhouse = settings.clickhouse.model_copy(update={"url": url})
    consumer = settings.consumer.model_copy(update={"batch_rows": 500, "batch_seconds": 0.1})
    return settings.model_copy(update={"clickhouse": clickhouse, "consumer": consumer})


@pytest.mark.timeout(180)
def test_clickhouse_absent_then_killed_and_started_again_under_load(
    source: Sources, loader: Loaders, settings: Settings, own_clickhouse: HttpPart, said: Said
) -> None:
    weather = source("weather").create(2)
    weather.publish(range(2000))
    loader(_with_clickhouse(settings, own_clickhouse))
    until(lambda: said("does not answer"), "words about ClickHouse")
    own_clickhouse.start()
    warehouse = Warehouse(_with_clickhouse(settings, own_clickhouse))
    until(lambda: warehouse.count("weather") >= 2000, "the first rows")
    done = threading.Event()

    def more() -> None:
        for start in range(2000, 22_000, 500):
            weather.publish(range(start, start + 500))
        done.set()

    threading.Thread(target=more, daemon=True).start()
    until(lambda: warehouse.count("weather") > 3000, "rows under load")
    own_clickhouse.kill()
    until(done.is_set, "the end of the load")
    own_clickhouse.start()
    until(lambda: warehouse.count("weather") == 22_000, "all rows", seconds=90)
    assert warehouse.numbers("weather") == list(range(22_000))
    warehouse.client.close()


@pytest.mark.timeout(180)
def test_clickhouse_away_keeps_the_group_and_bounds_the_memory(
    source: Sources, loader: Loaders, settings: Settings, own_clickhouse: HttpPart, said: Said
) -> None:
    consumer = settings.consumer.model_copy(update={"memory_bytes": 400_000, "batch_rows": 500})
    bounded = _with_clickhouse(settings, own_clickhouse).model_copy(update={"consumer": consumer})
    weather = source("weather").create(2)
    weather.publish(range(20_000))
    loader(bounded)
    until(lambda: said("topic_paused"), "a pause")
    own_clickhouse.start()
    warehouse = Warehouse(bounded)
    until(lambda: warehouse.count("weather") == 20_000, "all rows", seconds=90)
    until(lambda: said("topic_resumed"), "the end of the pause")
    assert warehouse.numbers("weather") == list(range(20_000))
    assert not said("partitions_lost")
    warehouse.client.close()


@pytest.mark.timeout(180)
def test_a_registry_absent_at_the_start_is_waited_for(
    source: Sources,
    loader: Loaders,
    warehouse: Warehouse,
    settings: Settings,
    own_registry: HttpPart,
    said: Said,
) -> None:
    own_registry.start()
    registry = settings.registry.model_copy(update={"url": own_registry.url})
    elsewhere = settings.model_copy(update={"registry": registry})
    weather = Source(elsewhere, "weather").create(1)
    own_registry.stop()
    weather.publish(range(10))
    loader(elsewhere)
    until(lambda: said("schema registry"), "words about the registry")
    assert weather.dead_letters() == []
    own_registry.start()
    until(lambda: warehouse.count("weather") == 10, "10 rows")


@pytest.mark.timeout(180)
def test_a_broker_absent_at_the_start_is_waited_for(
    source: Sources, loader: Loaders, warehouse: Warehouse, settings: Settings, tmp_path: Path, said: Said
) -> None:
    source("weather").create(1).publish(range(10))
    port = PortBook(tmp_path / "ports.json").port("broker")
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{port}"})
    loader(settings.model_copy(update={"kafka": kafka}))
    until(lambda: said(f"broker at 127.0.0.1:{port}"), "words about the broker")
    door = Door(settings.kafka.bootstrap_servers, port=port)
    door.start()
    until(lambda: warehouse.count("weather") == 10, "10 rows")
    door.close()


@pytest.mark.requires_kafka
@pytest.mark.timeout(240)
def test_a_broker_killed_under_load_loses_nothing(
    stack: Servers, source: Sources, loader: Loaders, warehouse: Warehouse
) -> None:
    if not isinstance(stack, DevStack):
        pytest.skip("kills the broker, which only the dev stack's may be")
    weather = source("weather").create(2)
    weather.publish(range(5000))
    loader()
    until(lambda: warehouse.count("weather") > 0, "rows before the kill")
    stack.broker.kill()
    stack.broker.start()
    weather.publish(range(5000, 8000))
    until(lambda: warehouse.count("weather") == 8000, "all rows", seconds=120)
    assert warehouse.numbers("weather") == list(range(8000))


@pytest.mark.requires_kafka
@pytest.mark.timeout(120)
def test_a_stop_ends_in_time_while_the_broker_does_not_answer(
    stack: Servers, source: Sources, loader_process: Callable[..., DaemonProcess]
) -> None:
    """Offsets to commit, a group to leave, and nobody who says yes: both have no end of their own."""
    if not isinstance(stack, DevStack):
        pytest.skip("stops the broker, which only the dev stack's may be")
    assert stack.broker.pid is not None
    weather = source("weather").create(1)
    weather.publish(range(10))
    running = loader_process(INGEST_CONSUMER__BATCH_SECONDS="60", INGEST_CONSUMER__DRAIN_SECONDS="5")
    until(lambda: running.metric('ingest_rows_inserted_total{table="weather__log"}') > 0, "a first batch")
    weather.publish(range(10, 20))
    until(lambda: running.metric("ingest_unloaded_bytes") > 0, "a batch that is open for another minute")
    os.kill(stack.broker.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert running.end() == 0
        assert time.monotonic() - started < 5 + 4 + 5
    finally:
        os.kill(stack.broker.pid, signal.SIGCONT)
    assert "left_without_goodbye" in running.log()


@pytest.mark.timeout(120)
def test_probes_name_what_is_missing_and_a_stop_does_not_wait_for_it(
    source: Sources, loader_process: Callable[..., DaemonProcess]
) -> None:
    weather = source("weather").create(1)
    weather.publish(range(10))
    running = loader_process(INGEST_CLICKHOUSE__URL="http://127.0.0.1:9/nowhere")
    away = "ClickHouse at http://127.0.0.1:9/nowhere does not answer"
    until(lambda: away in running.log(), "words about ClickHouse")
    assert running.probe("/livez") == (200, "ok")
    lag = f'ingest_lag_records{{partition="0",topic="{weather.topic}"}}'
    until(lambda: running.metric(lag) == 10, "ten records that are read and not loaded")
    status, text = running.probe("/readyz?verbose")
    assert status == 503
    assert "[-]clickhouse failed" in text
    assert "[+]kafka ok" in text
    assert "partitions:\n  1 assigned, of 1 topic\n" in text
    assert f"topics:\n  {weather.topic}: waits: {away}" in text
    assert not [line for line in running.log().splitlines() if '"logger":"urllib3' in line]
    assert running.end() == 0
