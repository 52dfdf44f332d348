import io
import json
import math
from itertools import count
from typing import Any

import fastavro
import lz4.frame
import pytest
from hypothesis import given

from consumer.container import Framer, Piece, Place, container, new_canary
from consumer.gate import gate
from consumer.schema_tree import read_schema
from consumer.writer_schema import header, zigzag
from tests.unit.consumer.avro_strategies import records
from tests.unit.consumer.conftest import FRAME

CANARY = b"canary!!"
SYNC = bytes(range(16))
PLACE = Place(version=(1 << 32) + 4, epoch=2**64 - 3, partition=5)


def _body(schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return out.getvalue()


def _read(schema: dict[str, Any], pieces: list[Piece]) -> list[dict[str, Any]]:
    """Take a container apart with a reader that is not ours."""
    record = gate(read_schema(json.dumps(schema))).record
    columns = [entry.name for entry in record.fields]
    parts = container(header(record, columns), SYNC, pieces)
    frame = lz4.frame.LZ4FrameDecompressor()
    plain = frame.decompress(b"".join(parts))
    assert (frame.eof, frame.unused_data) == (True, None), (
        "a reader that knows one frame only must see all of it"
    )
    found: list[Any] = list(fastavro.reader(io.BytesIO(plain)))
    return found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


@given(records())
def test_another_reader_finds_each_record_between_our_fields(
    made: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    schema, written = made
    bodies = [_body(schema, record) for record in written]
    block = Framer(CANARY, FRAME, SYNC).block(
        PLACE, range(len(bodies)), [7] * len(bodies), [FRAME + body for body in bodies]
    )
    found = _read(schema, [Piece(block, 0, block.rows)])
    for number, row in enumerate(found):
        assert row.pop("_canary_a") == CANARY
        assert row.pop("_canary_b") == bytes(255 - byte for byte in CANARY)
        assert row.pop("_want") == row.pop("_frame") == FRAME
        assert row.pop("_ver") == PLACE.version
        assert row.pop("_epoch") == -3
        assert row.pop("_partition") == 5
        assert row.pop("_offset") == float(number)
        assert row.pop("_log_time") == 7.0
        expected = fastavro.schemaless_reader(io.BytesIO(bodies[number]), fastavro.parse_schema(schema), None)
        assert _same(row, expected)
    assert len(found) == len(written)


def test_any_run_of_rows_can_be_cut_out() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "string"}]}
    texts = ["", "a", "bb", "ccc", "dddd"]
    values = [FRAME + _body(schema, {"x": text}) for text in texts]
    block = Framer(CANARY, FRAME, SYNC).block(PLACE, range(10, 15), list(range(5)), values)
    whole = Piece(block, 0, 5)
    cut = [whole.cut(1, 3), whole.cut(4, 5)]
    assert [row["x"] for row in _read(schema, cut)] == ["a", "bb", "dddd"]
    assert [(row.offset, row.time, row.value) for row in whole.cut(1, 4).cut(1, 3).each()] == [
        (12, 2, values[2]),
        (13, 3, values[3]),
    ]


def test_a_container_without_rows_can_be_sent() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "string"}]}
    assert _read(schema, []) == []


def test_blocks_of_several_partitions_share_a_container() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}
    framer = Framer(CANARY, FRAME, SYNC)
    blocks = [
        framer.block(
            Place(1 << 32, 9, partition), [partition], [0], [FRAME + _body(schema, {"x": partition})]
        )
        for partition in (3, 200)
    ]
    found = _read(schema, [Piece(block, 0, 1) for block in blocks])
    assert [(row["_partition"], row["x"]) for row in found] == [(3, 3), (200, 200)]


def test_a_hostile_clock_stays_within_what_a_double_holds() -> None:
    framer = Framer(CANARY, FRAME, SYNC)
    block = framer.block(PLACE, [1, 2, 3], [2**63 - 1, -(2**63), 5], [FRAME, FRAME, FRAME])
    assert [row.time for row in Piece(block, 0, 3).each()] == [2**53, -(2**53), 5]


def test_the_canary_is_never_what_a_table_without_canaries_sees() -> None:
    tries = count()

    def random(size: int) -> bytes:
        return bytes(size) if next(tries) < 3 else b"\0" * (size - 1) + b"\1"

    assert new_canary(random) == b"\0\0\0\0\0\0\0\1"


@pytest.mark.parametrize("number", [0, -1, 1, 63, -64, 64, 2**31, -(2**63), 2**63 - 1])
def test_numbers_are_written_as_avro_writes_them(number: int) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, {"type": "long"}, number)
    assert zigzag(number) == out.getvalue()
