"""What a client compresses comes out as it went in, however it is cut, and damage is told."""

import gzip
import struct
import zlib
from collections.abc import Callable
from typing import Any

import lz4.block
import lz4.frame
import pytest
from clickhouse_connect.driver.compression import get_compressor
from hypothesis import given
from hypothesis import strategies as st

from devstack.clickhouse.compression import choose_encoding, compress, decoder
from devstack.clickhouse.errors import StatementError

ENCODINGS = ("lz4", "zstd", "gzip", "deflate")
DATA = b"some rows, some rows, some more rows\n" * 500


def _decoded(encoded: bytes, encoding: str, *, step: int, blocks: bool = False) -> bytes:
    body = decoder(encoding, blocks=blocks)
    data = b"".join(body.feed(encoded[at : at + step]) for at in range(0, len(encoded), step))
    body.finish()
    return data


def _block(data: bytes, method: int, pack: Callable[[bytes], bytes]) -> bytes:
    packed = pack(data)
    return bytes(16) + struct.pack("<BII", method, len(packed) + 9, len(data)) + packed


def _client_compressed(encoding: str) -> bytes:
    """Two blocks as clickhouse-connect sends them: each a frame of its own, except with gzip."""
    client: Any = get_compressor(encoding)
    body = bytes(client.compress_block(DATA)) + bytes(client.compress_block(DATA))
    return body + bytes(client.flush() or b"")


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip"])
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_what_clickhouse_connect_compresses_is_read(encoding: str, step: int) -> None:
    assert _decoded(_client_compressed(encoding), encoding, step=step) == DATA + DATA


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("deflate", zlib.compress), ("gzip", gzip.compress), ("lz4", lz4.frame.compress), ("", bytes)],
)
def test_frames_may_follow_one_another(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    assert _decoded(pack(b"one") + pack(b"") + pack(b"two"), encoding, step=3) == b"onetwo"


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 30))
def test_clickhouse_blocks_are_read_however_they_are_cut(parts: list[bytes], step: int) -> None:
    packers: list[tuple[int, Callable[[bytes], bytes]]] = [
        (0x82, lambda data: bytes(lz4.block.compress(data, store_size=False))),
        (0x90, lambda data: compress(data, "zstd")),
        (0x02, bytes),
    ]
    body = b"".join(_block(part, *packers[number % 3]) for number, part in enumerate(parts))

    assert _decoded(body, "", step=step, blocks=True) == b"".join(parts)


@pytest.mark.parametrize(("encoding", "code"), [("lz4", 618), ("zstd", 561), ("gzip", 354), ("deflate", 354)])
@pytest.mark.parametrize("damage", ["cut", "junk"])
def test_damage_is_told_with_the_servers_code(encoding: str, code: int, damage: str) -> None:
    whole = compress(DATA, encoding)
    with pytest.raises(StatementError) as refused:
        _decoded(whole[:-3] if damage == "cut" else b"junk" + whole, encoding, step=64)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (_block(DATA, 0x02, bytes)[:-1], 271),
        (bytes(30), 271),
        (_block(b"junk", 0x82, bytes), 271),
        (_block(b"data", 0x77, bytes), 89),
    ],
)
def test_damaged_blocks_are_told(body: bytes, code: int) -> None:
    with pytest.raises(StatementError) as refused:
        _decoded(body, "", step=1 << 20, blocks=True)
    assert refused.value.code == code


def test_an_unknown_encoding_is_told_with_the_known_ones() -> None:
    with pytest.raises(StatementError, match="deflate, gzip, lz4, zstd") as refused:
        decoder("snappy", blocks=False)
    assert refused.value.status == 501


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_answers_are_compressed_so_that_clients_read_them(encoding: str) -> None:
    assert _decoded(compress(DATA, encoding), encoding, step=100) == DATA


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("lz4,zstd,gzip", "lz4"),
        ("zstd", "zstd"),
        ("br;q=1.0, GZIP;q=0.5", "gzip"),
        ("identity", None),
        ("", None),
    ],
)
def test_the_encoding_is_one_that_both_sides_know(accepted: str, chosen: str | None) -> None:
    assert choose_encoding(accepted) == chosen
