"""As much of Kafka's wire protocol as the proxy needs: frames, the head of a request, a broker's address."""

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

_LENGTH = struct.Struct(">i")
_HEAD = struct.Struct(">hhi")


class Api(IntEnum):
    """The requests that tests name; the proxy carries every other one too."""

    PRODUCE = 0
    FETCH = 1
    METADATA = 3
    FIND_COORDINATOR = 10
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    DESCRIBE_CLUSTER = 60


# Their answers tell the client where to connect to.
ADDRESS_APIS = {Api.METADATA, Api.FIND_COORDINATOR, Api.DESCRIBE_CLUSTER}


@dataclass(frozen=True)
class Request:
    """A request as it came; `frame` is all of it but the length."""

    api: int
    version: int
    correlation: int
    frame: bytes

    @classmethod
    def parse(cls, frame: bytes) -> Self:
        api, version, correlation = _HEAD.unpack_from(frame)
        return cls(api, version, correlation, frame)


def correlation_of(answer: bytes) -> int:
    """The number of the request that this answers."""
    (number,) = _LENGTH.unpack_from(answer)
    return int(number)


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame without its length; None when the connection ended or was reset."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return None


async def write_frame(writer: asyncio.StreamWriter, frame: bytes) -> None:
    """Send a frame; OSError when the connection is gone."""
    writer.write(_LENGTH.pack(len(frame)) + frame)
    await writer.drain()


def address_bytes(host: str, port: int) -> bytes:
    """An address as every version of every answer writes it: the host's text, then the port."""
    return host.encode() + _LENGTH.pack(port)
