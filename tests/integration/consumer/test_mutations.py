"""Bodies changed at random, between good ones: no neighbour changes, nothing hangs, each has a verdict."""

import os
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from consumer.clickhouse import ClickHouse
from consumer.container import Framer, Piece, container, new_canary
from consumer.errors import RecordsRefusedError
from consumer.fallback import isolate
from runtime.settings import Settings
from tests.integration.consumer.tables import FRAME, PLACE, SYNC, Table, body

MUTATED = int(os.environ.get("INGEST_TEST_MUTATIONS", "60"))

PLACE_TYPE = {
    "type": "record",
    "name": "P",
    "fields": [
        {"name": "lat", "type": "double"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
    ],
}
RECORDS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "numbers": (["long", "double", "boolean"], {"c0": 2**40, "c1": -0.5, "c2": True}),
    "texts": (["string", ["null", "string"], "bytes"], {"c0": "some text", "c1": None, "c2": b"\0\xff"}),
    "lists": (
        [{"type": "array", "items": "int"}, {"type": "map", "values": ["null", "double"]}],
        {"c0": [1, 2, 300], "c1": {"a": 1.0, "b": None}},
    ),
    "nested": (
        [PLACE_TYPE, ["null", "string", "long"], {"type": "enum", "name": "E", "symbols": ["A", "B"]}],
        {"c0": {"lat": 52.5, "tags": ["x", "yy"]}, "c1": 7, "c2": "B"},
    ),
}


@pytest.fixture
def clickhouse(settings: Settings) -> Iterator[ClickHouse]:
    with ClickHouse(settings.clickhouse) as found:
        yield found


def _mutated(good: bytes, chance: random.Random) -> bytes:
    changed = bytearray(good)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(changed) + 1)
        piece = chance.randbytes(chance.randint(0, 4))
        changed[at : at + chance.randint(0, 4)] = piece
    return bytes(changed)


@pytest.mark.parametrize("name", RECORDS)
def test_no_mutation_reaches_a_neighbour(clickhouse: ClickHouse, name: str) -> None:
    kinds, values = RECORDS[name]
    marker = {"name": "n", "type": "long"}
    fields = [marker, *({"name": f"c{number}", "type": kind} for number, kind in enumerate(kinds))]
    schema = {"type": "record", "name": "R", "fields": fields}
    chance = random.Random(name)
    bodies = [body(schema, {"n": number, **values}) for number in range(2 * MUTATED)]
    for number in range(1, 2 * MUTATED, 2):
        bodies[number] = _mutated(bodies[number], chance)
    table = Table(clickhouse, schema)
    framer = Framer(new_canary(os.urandom), FRAME, SYNC)
    block = framer.block(PLACE, range(len(bodies)), [0] * len(bodies), [FRAME + one for one in bodies])

    def insert(pieces: Sequence[Piece]) -> None:
        clickhouse.insert(table.plan.into, container(table.plan.header, SYNC, pieces), os.urandom(8).hex())

    whole = [Piece(block, 0, block.rows)]
    try:
        insert(whole)
        refused = []
    except RecordsRefusedError:
        refused = isolate(whole, insert)
    bad = {row.offset for one in refused for row in one.piece.each()}
    rows = {row["_offset"]: row for row in table.rows()}
    assert len(rows) + len(bad) == len(bodies)
    assert all(offset % 2 for offset in bad)
    payload = [field["name"] for field in fields]
    unchanged = rows[0]
    for offset in range(0, len(bodies), 2):
        expected = {**{column: unchanged[column] for column in payload}, "n": offset}
        assert {column: rows[offset][column] for column in payload} == expected
