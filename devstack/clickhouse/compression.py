"""Compression of request and answer bodies, by HTTP's Content-Encoding and by ClickHouse's own blocks.

Clients send several compressed frames one after the other; a decoder takes them all. Checksums of ClickHouse
blocks are not verified.
"""

import gzip
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import lz4.block
import lz4.frame

from devstack.clickhouse.errors import StatementError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class Decoder(Protocol):
    """Turns the bytes of a body, as they come in, into what was compressed."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be told from the bytes so far. Raises StatementError."""
        ...

    def finish(self) -> None:
        """Raise StatementError if the body ended in the middle of a frame."""
        ...


class _Identity:
    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def finish(self) -> None:
        """Nothing can be missing."""


class _Frame(Protocol):
    """What the decompressors of lz4, zstd and zlib have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Frames:
    """Frames of one compression, one after the other."""

    def __init__(self, new_frame: Callable[[], _Frame], code: int, name: str) -> None:
        self._new_frame = new_frame
        self._frame: _Frame | None = None
        self._code = code
        self._name = name

    def feed(self, chunk: bytes) -> bytes:
        return b"".join(self._pieces(chunk))

    def _pieces(self, rest: bytes) -> Iterator[bytes]:
        while rest:
            if self._frame is None:
                self._frame = self._new_frame()
            try:
                yield self._frame.decompress(rest)
            except (RuntimeError, zstd.ZstdError, zlib.error, EOFError) as exc:
                raise self._error(str(exc)) from exc
            if not self._frame.eof:
                return
            rest = self._frame.unused_data or b""
            self._frame = None

    def finish(self) -> None:
        if self._frame is not None:
            raise self._error("the body ends in the middle of a frame")

    def _error(self, reason: str) -> StatementError:
        return StatementError(self._code, self._name, f"Cannot decompress the request's body: {reason}")


class _Blocks:
    """ClickHouse's own blocks: checksum (16 bytes), method, size with this header, size of the content."""

    _HEADER = struct.Struct("<16sBII")
    _OWN_SIZE = 9
    _LZ4, _ZSTD, _NONE = 0x82, 0x90, 0x02

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, chunk: bytes) -> bytes:
        self._pending += chunk
        return b"".join(self._whole_blocks())

    def _whole_blocks(self) -> Iterator[bytes]:
        while len(self._pending) >= self._HEADER.size:
            _, method, size, content_size = self._HEADER.unpack_from(self._pending)
            end = 16 + size
            if size < self._OWN_SIZE:
                raise self._error(f"a block of {size} bytes")
            if len(self._pending) < end:
                return
            yield self._content(method, self._pending[self._HEADER.size : end], content_size)
            self._pending = self._pending[end:]

    def _content(self, method: int, data: bytes, size: int) -> bytes:
        try:
            if method == self._LZ4:
                return bytes(lz4.block.decompress(data, uncompressed_size=size))
            if method == self._ZSTD:
                return zstd.decompress(data)
        except (lz4.block.LZ4BlockError, zstd.ZstdError) as exc:
            raise self._error(str(exc)) from exc
        if method != self._NONE:
            raise StatementError(
                89, "UNKNOWN_COMPRESSION_METHOD", f"Unknown compression method {method:#x} in a block"
            )
        return data

    def finish(self) -> None:
        if self._pending:
            raise self._error("the body ends in the middle of a block")

    def _error(self, reason: str) -> StatementError:
        return StatementError(271, "CANNOT_DECOMPRESS", f"Cannot decompress the request's body: {reason}")


def _zlib(window_bits: int) -> Callable[[], _Frame]:
    return lambda: zlib.decompressobj(wbits=window_bits)


_DECODERS: Mapping[str, Callable[[], Decoder]] = {
    "": _Identity,
    "identity": _Identity,
    "lz4": lambda: _Frames(lz4.frame.LZ4FrameDecompressor, 618, "LZ4_DECODER_FAILED"),
    "zstd": lambda: _Frames(zstd.ZstdDecompressor, 561, "ZSTD_DECODER_FAILED"),
    "gzip": lambda: _Frames(_zlib(31), 354, "ZLIB_INFLATE_FAILED"),
    "deflate": lambda: _Frames(_zlib(15), 354, "ZLIB_INFLATE_FAILED"),
}

# In the order in which a server prefers them.
_ENCODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "gzip": lambda data: gzip.compress(data, compresslevel=3),
    "deflate": lambda data: zlib.compress(data, level=3),
    "zstd": lambda data: zstd.compress(data, level=1),
}


def decoder(content_encoding: str, *, blocks: bool) -> Decoder:
    """Return a decoder for a body with this Content-Encoding, or in ClickHouse's blocks.

    Raises StatementError (48) for an encoding that is not supported.
    """
    if blocks:
        return _Blocks()
    name = content_encoding.strip().lower()
    if name not in _DECODERS:
        known = ", ".join(sorted(_ENCODERS))
        raise StatementError(
            48, "NOT_IMPLEMENTED", f"Unknown compression method '{name}'. The dev stack knows {known}"
        )
    return _DECODERS[name]()


def choose_encoding(accept_encoding: str) -> str | None:
    """Return the encoding to answer in, None for none that both sides know."""
    wanted = {part.split(";")[0].strip().lower() for part in accept_encoding.split(",")}
    return next((name for name in _ENCODERS if name in wanted), None)


def compress(data: bytes, encoding: str) -> bytes:
    """Compress a whole body."""
    return _ENCODERS[encoding](data)
