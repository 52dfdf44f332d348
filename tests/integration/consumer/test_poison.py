"""Records that cannot be loaded: each is in the dead letter topic, its neighbours are in the table."""

from collections import Counter
from collections.abc import Callable

import httpx
import pytest

from runtime.settings import Settings
from schemas.wire import frame
from tests.daemon_process import until
from tests.integration.consumer.conftest import ENVELOPE, LoaderThread, Source, Warehouse

Sources = Callable[..., Source]
Loaders = Callable[..., LoaderThread]
Values = list[tuple[str, bytes | None]]


def _poison(source: Source) -> Values:
    good = source.value(source.record(990))
    forged = source.value({**source.record(991), "text": "forged"})
    return [
        ("trailing byte", good + b"\0"),
        ("truncated", good[:-3]),
        ("wrong magic", b"\1" + good[1:]),
        ("unknown schema id", frame(1_900_000_000, good[5:])),
        ("forged extra record", good + forged[5:]),
        ("forged with a zero canary", good + bytes(8) + bytes(8) + forged),
        ("empty", b""),
        ("null", None),
        ("short", b"\0\0"),
        ("frame only", good[:5]),
        ("huge length", good[:5] + b"\xfe\xff\xff\xff\x0f"),
        ("noise", good[:5] + bytes(range(128, 255))),
    ]


def test_poison_is_dead_lettered_and_neighbours_are_intact(
    source: Sources, loader: Loaders, warehouse: Warehouse
) -> None:
    weather = source("weather").create(2)
    poison = _poison(weather)
    weather.publish(range(100))
    for number, (what, value) in enumerate(poison):
        weather.send(value, key=what.encode(), partition=number % 2, headers=[("what", what.encode())])
        weather.send(weather.value(weather.record(100 + number)), key=b"good", partition=number % 2)
    weather.publish(range(200, 300))
    running = loader()
    expected = [*range(100 + len(poison)), *range(200, 300)]
    until(lambda: warehouse.count("weather") == len(expected), f"{len(expected)} good rows")
    until(lambda: len(weather.dead_letters()) == len(poison), f"{len(poison)} dead letters")
    assert warehouse.numbers("weather") == expected
    assert all(text == f"text {n}" for n, text in warehouse.rows("SELECT n, text FROM weather"))
    letters = weather.dead_letters()
    assert Counter((key, value) for _, key, value in letters) == Counter(
        (what.encode(), value) for what, value in poison
    )
    reasons = {headers["what"]: headers["reason"] for headers, _, _ in letters}
    assert reasons == {
        "trailing byte": "undecodable",
        "truncated": "undecodable",
        "wrong magic": "not_framed",
        "unknown schema id": "unknown_schema",
        "forged extra record": "undecodable",
        "forged with a zero canary": "undecodable",
        "empty": "not_framed",
        "null": "null_value",
        "short": "not_framed",
        "frame only": "undecodable",
        "huge length": "undecodable",
        "noise": "undecodable",
    }
    assert {headers["stage"] for headers, _, _ in letters} == {"consumer"}
    assert running.stop() == 0


def test_a_letter_names_the_place_of_its_record(
    source: Sources, loader: Loaders, warehouse: Warehouse
) -> None:
    weather = source("weather").create(1)
    weather.publish(range(3))
    weather.send(weather.value(weather.record(3)) + b"!", key=b"k", partition=0, timestamp=1_700_000_000_000)
    weather.publish(range(4, 6))
    loader()
    ((headers, key, _),) = until(weather.dead_letters, "the dead letter")
    assert key == b"k"
    assert (headers["topic"], headers["partition"], headers["offset"]) == (weather.topic, "0", "3")
    assert (headers["log_timestamp"], headers["generation"]) == ("1700000000000", "1")
    assert "1 bytes are left over" in headers["error"]
    until(lambda: warehouse.numbers("weather") == [0, 1, 2, 4, 5], "the neighbours")


def test_a_poison_record_in_a_large_batch_costs_no_neighbour(
    source: Sources, loader: Loaders, warehouse: Warehouse
) -> None:
    weather = source("weather").create(2)
    weather.publish(range(10_000))
    for number in range(5):
        weather.send(weather.value(weather.record(1)) + b"\7", partition=number % 2)
    weather.publish(range(10_000, 20_000))
    loader()
    until(lambda: warehouse.count("weather") == 20_000, "20000 good rows")
    until(lambda: len(weather.dead_letters()) == 5, "5 dead letters")
    assert warehouse.rows("SELECT count(), uniqExact(n), max(n) FROM weather") == [(20_000, 20_000, 19_999)]


def test_a_schema_that_is_no_record_dead_letters_its_records_only(
    source: Sources, loader: Loaders, warehouse: Warehouse, settings: Settings
) -> None:
    weather = source("weather").create(1)
    weather.publish(range(3))
    subject = f"{settings.registry.url}/subjects/{settings.topic_prefix}.plain-value/versions"
    other = httpx.post(subject, json={"schema": '"string"'}).raise_for_status().json()["id"]
    weather.send(frame(other, b"\2a"), partition=0)
    weather.publish(range(3, 6))
    loader()
    until(lambda: warehouse.count("weather") == 6, "6 good rows")
    ((headers, _, value),) = until(weather.dead_letters, "the dead letter")
    assert (headers["reason"], value) == ("unusable_schema", frame(other, b"\2a"))


BOMB = {"name": "bomb", "type": {"type": "array", "items": "null"}, "default": []}
TREE = {
    "name": "tree",
    "type": [
        "null",
        {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]},
    ],
    "default": None,
}


@pytest.mark.timeout(120)
def test_bombs_are_defused_by_the_gate(source: Sources, loader: Loaders, warehouse: Warehouse) -> None:
    weather = source("weather", [*ENVELOPE, BOMB, TREE]).create(1)
    head = weather.value({**weather.record(1), "bomb": [], "tree": None})[:-2]
    for number in range(3):
        weather.send(
            weather.value({**weather.record(number), "bomb": [None] * number, "tree": {"next": None}})
        )
    weather.send(head + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" + b"\0\0", key=b"count bomb")
    weather.send(head + b"\0" + b"\2" * 100_000 + b"\0", key=b"recursion bomb")
    weather.send(weather.value({**weather.record(3), "bomb": [], "tree": None}))
    weather.flush()
    loader()
    until(lambda: warehouse.count("weather") == 4, "4 good rows")
    assert warehouse.rows("SELECT n, bomb, tree FROM weather ORDER BY n") == [
        (0, "[]", '{"next": null}'),
        (1, "[null]", '{"next": null}'),
        (2, "[null, null]", '{"next": null}'),
        (3, "[]", "null"),
    ]
    until(lambda: len(weather.dead_letters()) == 2, "2 letters")
    assert {(key, headers["reason"]) for headers, key, _ in weather.dead_letters()} == {
        (b"count bomb", "undecodable"),
        (b"recursion bomb", "undecodable"),
    }
