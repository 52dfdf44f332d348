"""Bodies changed at random or on purpose, between good ones: no neighbour changes, each has a verdict.

Those made on purpose know how rows are framed, all but the canary. Each is also inserted into a table that
does not check its canaries and must do its harm there: otherwise it would say nothing about the check.
"""

import os
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from consumer.clickhouse import ClickHouse
from consumer.container import Framer, Piece, container, new_canary
from consumer.errors import RecordsRefusedError
from consumer.fallback import isolate
from consumer.writer_schema import zigzag
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


JUNK = b"\7" * 8
NUMBERS = zigzag(PLACE.version + 1), zigzag(PLACE.epoch - 2**64), zigzag(PLACE.partition)


def _head(offset: int) -> bytes:
    """What stands before a body; its canary is a guess, its version beats that of the true row."""
    return JUNK + b"".join(NUMBERS) + FRAME + struct.pack("<dd", offset, 0) + FRAME


def _mutated(good: bytes, chance: random.Random, next_offset: int) -> bytes:
    if chance.random() < 0.1:
        return good + JUNK + _head(next_offset) + good
    changed = bytearray(good)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(changed) + 1)
        piece = chance.randbytes(chance.randint(0, 4))
        changed[at : at + chance.randint(0, 4)] = piece
    return bytes(changed)


def _load(table: Table, bodies: Sequence[bytes]) -> set[int]:
    """Load bodies as the loader does; returns the offsets of those that were refused alone."""
    clickhouse = table.clickhouse
    framer = Framer(new_canary(os.urandom), FRAME, SYNC)
    block = framer.block(PLACE, range(len(bodies)), [0] * len(bodies), [FRAME + one for one in bodies])

    def insert(pieces: Sequence[Piece]) -> None:
        clickhouse.insert(table.plan.into, container(table.plan.header, SYNC, pieces), os.urandom(8).hex())

    whole = [Piece(block, 0, block.rows)]
    try:
        insert(whole)
    except RecordsRefusedError:
        return {row.offset for one in isolate(whole, insert) for row in one.piece.each()}
    return set()


@pytest.mark.parametrize("name", RECORDS)
def test_no_mutation_reaches_a_neighbour(clickhouse: ClickHouse, name: str) -> None:
    kinds, values = RECORDS[name]
    marker = {"name": "n", "type": "long"}
    fields = [marker, *({"name": f"c{number}", "type": kind} for number, kind in enumerate(kinds))]
    schema = {"type": "record", "name": "R", "fields": fields}
    chance = random.Random(name)
    bodies = [body(schema, {"n": number, **values}) for number in range(2 * MUTATED)]
    for number in range(1, 2 * MUTATED, 2):
        bodies[number] = _mutated(bodies[number], chance, number + 1)
    table = Table(clickhouse, schema)
    bad = _load(table, bodies)
    rows = {row["_offset"]: row for row in table.rows()}
    assert len(rows) + len(bad) == len(bodies)
    assert all(offset % 2 for offset in bad)
    payload = [field["name"] for field in fields]
    unchanged = rows[0]
    for offset in range(0, len(bodies), 2):
        expected = {**{column: unchanged[column] for column in payload}, "n": offset}
        assert {column: rows[offset][column] for column in payload} == expected


SCHEMA = {
    "type": "record",
    "name": "R",
    "fields": [{"name": "n", "type": "long"}, {"name": "text", "type": "string"}],
}
ROWS = 30
# Where the crafted bodies are; the others are other people's.
AT = 10


def _good(number: int) -> bytes:
    return body(SCHEMA, {"n": number, "text": f"text {number}"})


def _swallowing(number: int, size: int) -> bytes:
    """A body whose text goes on for `size` bytes behind its end."""
    return zigzag(number) + zigzag(3 + size) + b"abc"


def _a_forged_row() -> list[bytes]:
    """It takes the place of a neighbour; the last row of the block is read no more."""
    return [_good(AT) + JUNK + _head(AT + 1) + _good(666)]


def _a_forged_row_that_swallows_the_next() -> list[bytes]:
    """As many rows as there were, so that the block ends where it should."""
    behind = 8 + len(_head(0)) + len(_good(AT + 1))
    return [_good(AT) + JUNK + _head(AT) + _swallowing(666, behind)]


def _a_text_that_swallows_its_canary() -> list[bytes]:
    """The next row's canary stands where the own one should, and what follows is chosen freely.

    The next row, its own author's too, is read 8 bytes late: its canary is what the numbers of its place are
    made of. Behind it are as many rows as one likes; what the block holds after those is read no more.
    """
    place = b"".join((zigzag(PLACE.version), *NUMBERS[1:])) + FRAME
    late = place + struct.pack("<dd", AT + 1, 0) + FRAME
    canary = late[:8]
    # Three numbers (here of a byte each), the frame that is wanted, offset and time: then the frame again.
    wanted = late[11:16]
    given = late[32:]
    assert all(byte < 128 for byte in late[8:11])
    assert wanted.startswith(given)
    forged = b"".join(JUNK + _head(offset)[8:] + _good(666) + JUNK for offset in range(AT + 2, ROWS + 10))
    return [_swallowing(AT, 8), wanted[len(given) :] + _good(667) + canary + forged]


def _missing_and_left_over() -> list[bytes]:
    """What one record lacks the next has too much: it is a row that takes a neighbour's place."""
    return [_swallowing(AT, 8 + len(_head(0))), JUNK + _head(AT + 2) + _good(666)]


CRAFTED = (
    _a_forged_row,
    _a_forged_row_that_swallows_the_next,
    _a_text_that_swallows_its_canary,
    _missing_and_left_over,
)


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
@pytest.mark.parametrize("craft", CRAFTED)
def test_what_is_crafted_does_harm_only_where_canaries_are_not_checked(
    clickhouse: ClickHouse, craft: Callable[[], list[bytes]], checked: bool
) -> None:
    table = Table(clickhouse, SCHEMA)
    if not checked:
        clickhouse.command(
            f"ALTER TABLE {table.plan.spec.qualified_table} MODIFY COLUMN _ok UInt8 MATERIALIZED 1"
        )
    crafted = craft()
    bodies = [_good(number) for number in range(ROWS)]
    bodies[AT : AT + len(crafted)] = crafted
    mine = set(range(AT, AT + len(crafted)))
    bad = _load(table, bodies)
    found = {(row["_offset"], row["n"], row["text"]) for row in table.rows()}
    unharmed = {(number, number, b"text %d" % number) for number in range(ROWS) if number not in mine}
    assert (bad == mine) == checked
    assert (unharmed <= found) == checked
    assert (found <= unharmed) == checked
