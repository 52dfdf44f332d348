"""Schemas that change, names that are hostile: columns follow, or the topic stops with words."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from runtime.settings import Settings
from tests.daemon_process import until
from tests.integration.consumer.conftest import ENVELOPE, LoaderThread, Source, Warehouse

Sources = Callable[..., Source]
Loaders = Callable[..., LoaderThread]


def _register_anyway(
    settings: Settings, source: Source, fields: list[dict[str, Any]], **properties: Any
) -> None:
    """A schema that the registry would refuse, as an operator can force it."""
    url = f"{settings.registry.url}/config/{source.topic}-value"
    httpx.put(url, json={"compatibility": "NONE"}).raise_for_status()
    source.evolve(fields, **properties)


def test_added_fields_become_columns_also_for_what_was_there(
    source: Sources, loader: Loaders, warehouse: Warehouse
) -> None:
    weather = source("weather").create(1)
    weather.publish(range(3))
    old = weather.value(weather.record(6))
    loader()
    until(lambda: warehouse.count("weather") == 3, "rows before the change")
    added: list[dict[str, Any]] = [
        {"name": "unit", "type": "string", "default": "C", "doc": "Unit of the temperature"},
        {"name": "wind", "type": ["null", "double"], "default": None},
    ]
    weather.evolve([*ENVELOPE, *added])
    for number in range(3, 6):
        weather.send(weather.value({**weather.record(number), "unit": "F", "wind": 1.5}), key=b"k")
    weather.send(old, key=b"k")
    weather.flush()
    until(lambda: warehouse.count("weather") == 7, "rows after the change")
    assert warehouse.rows("SELECT n, unit, wind FROM weather ORDER BY n") == [
        *((n, "C", None) for n in range(3)),
        *((n, "F", 1.5) for n in range(3, 6)),
        (6, "C", None),
    ]
    assert warehouse.rows(
        f"SELECT comment FROM system.columns WHERE database = '{warehouse.database}' "
        "AND table = 'weather__log' AND name = 'unit'"
    ) == [("Unit of the temperature",)]


@pytest.mark.parametrize(
    ("fields", "properties", "words"),
    [
        ([{**ENVELOPE[2], "type": "string"}], {}, "records carry String"),
        ([], {"ingest": {"sort": [], "mode": "upsert"}}, "upsert"),
    ],
)
def test_what_cannot_change_in_place_stops_this_topic_only(
    source: Sources,
    loader: Loaders,
    warehouse: Warehouse,
    settings: Settings,
    capfd: pytest.CaptureFixture[str],
    fields: list[dict[str, Any]],
    properties: dict[str, Any],
    words: str,
) -> None:
    weather = source("weather").create(1)
    weather.publish(range(3))
    loader()
    until(lambda: warehouse.count("weather") == 3, "rows before the change")
    changed: list[dict[str, Any]] = [*ENVELOPE[:2], *(fields or [ENVELOPE[2]]), ENVELOPE[3]]
    _register_anyway(settings, weather, changed, **properties)
    weather.send(weather.value({**weather.record(3), "n": "three" if fields else 3}))
    weather.flush()
    said = ""

    def heard() -> bool:
        nonlocal said
        said += capfd.readouterr().out
        return words in said

    until(heard, f"the words {words!r}")
    flights = source("flights").create(1)
    flights.publish(range(5))
    until(lambda: warehouse.count("flights") == 5, "rows of another topic")
    assert warehouse.count("weather") == 3
    assert weather.dead_letters() == []


def test_changed_sort_columns_change_nothing_but_a_line_in_the_log(
    source: Sources, loader: Loaders, warehouse: Warehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    weather = source("weather").create(1)
    weather.publish(range(3))
    weather.evolve(ENVELOPE, ingest={"sort": ["n"], "mode": "append"})
    weather.publish(range(3, 6))
    first = loader()
    until(
        lambda: warehouse.numbers("weather") == list(range(6)) if warehouse.exists("weather") else False, "6"
    )
    weather.publish(range(6, 9))
    until(lambda: warehouse.count("weather") == 9, "9 rows")
    first.stop()
    assert capfd.readouterr().out.count("table_sorted_otherwise") == 1


def test_the_way_that_words_about_a_changed_type_name_works(
    source: Sources, loader: Loaders, warehouse: Warehouse, settings: Settings
) -> None:
    """Both types are in the log, and only one fits the table: it is renamed, and loading goes on."""
    weather = source("weather").create(1)
    weather.publish(range(3))
    running = loader()
    until(lambda: warehouse.count("weather") == 3, "rows before the change")
    _register_anyway(settings, weather, [*ENVELOPE[:2], {**ENVELOPE[2], "type": "string"}, ENVELOPE[3]])
    weather.send(weather.value({**weather.record(3), "n": "three"}))
    weather.flush()
    # Otherwise half a minute passes before a stopped topic is tried again.
    running.stop()
    warehouse.rows("SELECT 1")
    warehouse.client.command("RENAME TABLE weather__log TO weather__log_before")
    loader()
    until(lambda: warehouse.exists("weather__log") and warehouse.count("weather") == 1, "the row after it")
    assert warehouse.rows("SELECT n FROM weather") == [("three",)]
    assert warehouse.rows("SELECT n FROM weather__log_before ORDER BY n") == [(0,), (1,), (2,)]


@pytest.mark.parametrize("name", ["Drop-Table_x", "SELECT", "a--b", "0", "-", "x__y"])
def test_any_topic_name_that_kafka_allows_is_only_a_name(
    source: Sources, loader: Loaders, warehouse: Warehouse, name: str
) -> None:
    odd = source(name).create(1)
    odd.publish(range(3))
    odd.send(odd.value(odd.record(1)) + b"!", key=b"bad")
    odd.flush()
    loader()
    until(lambda: warehouse.count(name) == 3, "3 rows")
    until(lambda: len(odd.dead_letters()) == 1, "the dead letter")


def test_a_topic_that_would_take_a_tables_name_stands_still(
    source: Sources, loader: Loaders, warehouse: Warehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    source("weather").create(1).publish(range(3))
    source("weather__log").create(1).publish(range(3))
    loader()
    until(lambda: warehouse.count("weather") == 3, "rows of the honest topic")
    said = ""

    def heard() -> bool:
        nonlocal said
        said += capfd.readouterr().out
        return "which is how tables are named" in said

    until(heard, "words about the name")
    assert not warehouse.exists("weather__log__log")
