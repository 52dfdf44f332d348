"""One client connection and its own connection to the broker, with a pump for each direction."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

from devstack.kafka_proxy.frames import Request, correlation_of, read_frame, write_frame
from devstack.kafka_proxy.points import When

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# Linger for no time: closing such a socket sends RST, as a cut link does.
_NO_LINGER = struct.pack("ii", 1, 0)


class Link:
    """Carries frames both ways; `passes` holds a frame as long as it likes and says whether it may go on.

    `edit` gets each request with its answer and returns the answer for the client. When the client is gone,
    the connection to the broker lives until what the client had sent is delivered and answered.
    """

    def __init__(
        self,
        client: Stream,
        broker: Stream,
        passes: Callable[[Request, When], Awaitable[bool]],
        edit: Callable[[Request, bytes], bytes],
    ) -> None:
        self._client = client
        self._broker = broker
        self._passes = passes
        self._edit = edit
        self._unanswered: dict[int, Request] = {}
        self._client_gone = False
        self._pumps: tuple[asyncio.Task[None], ...] = ()

    async def run(self) -> None:
        """Carry frames until both sides are done; OSError when the broker's side broke."""
        self._pumps = (asyncio.create_task(self._to_broker()), asyncio.create_task(self._to_client()))
        await asyncio.wait(self._pumps, return_when=asyncio.FIRST_COMPLETED)
        if self._unanswered:
            await asyncio.wait(self._pumps[1:])
        for pump in self._pumps:
            pump.cancel()
        ends = await asyncio.gather(*self._pumps, return_exceptions=True)
        self._client[1].close()
        self._broker[1].close()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def cut(self) -> None:
        """Reset both connections, whatever is held on them."""
        reset(self._client[1])
        reset(self._broker[1])
        for pump in self._pumps:
            pump.cancel()

    async def _to_broker(self) -> None:
        while (frame := await read_frame(self._client[0])) is not None:
            request = Request.parse(frame)
            self._unanswered[request.correlation] = request
            if not await self._passes(request, "request"):
                self.cut()
                return
            await write_frame(self._broker[1], frame)
        self._client_gone = True

    async def _to_client(self) -> None:
        while self._unanswered or not self._client_gone:
            frame = await read_frame(self._broker[0])
            if frame is None:
                return
            request = self._unanswered.pop(correlation_of(frame))
            if not await self._passes(request, "response"):
                self.cut()
                return
            # The client may be gone while the rest of what it asked is still to be answered.
            with suppress(OSError):
                await write_frame(self._client[1], self._edit(request, frame))


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
