"""The proxy: a context manager with a thread of its own, in which each client connection is a link."""

import asyncio
import math
import threading
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from devstack.kafka_proxy.frames import ADDRESS_APIS, Request, address_bytes
from devstack.kafka_proxy.link import Link, reset
from devstack.kafka_proxy.points import Point, Points, When, patiently
from devstack.ports import LOOPBACK

T = TypeVar("T")
CALL_SECONDS = 10.0
# Of one length, so an address can be replaced without knowing where its length stands.
HOSTS = (LOOPBACK, "localhost")


class KafkaProxy:
    """Stands at `address` for the one broker at `broker` ("127.0.0.1:port"), for clients of any process.

    The broker's address is replaced in its answers, so clients stay with the proxy; the broker needs no
    setting, and several proxies may stand before it. Points are for the frames that come after they were
    set. `about` limits a point to requests that hold this text (a transactional id, a topic, a client id),
    `nth` counts from 1 among those, `times` is for how many of them it is.

    Leaving resets all connections; what is held is never delivered. Raises ValueError for another host than
    loopback's; on leaving, what went wrong inside, and RuntimeError if the broker names itself otherwise, so
    that clients went past the proxy.
    """

    def __init__(self, broker: str) -> None:
        host, _, port = broker.rpartition(":")
        if host not in HOSTS:
            raise ValueError(f"the proxy stands before one broker at {LOOPBACK}, not before {broker!r}")
        self._broker_port = int(port)
        self._points = Points()
        self._links: dict[Link, asyncio.Task[None] | None] = {}
        self._flow: Future[None] = Future()
        self._flow.set_result(None)
        self._failures: list[Exception] = []
        self._addresses: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kafka-proxy", daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, LOOPBACK, 0))
        self._port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._points.clear(passes=False)
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if error is None:
            self._raise_failures()

    @property
    def address(self) -> str:
        """What clients get as bootstrap.servers."""
        return f"{LOOPBACK}:{self._port}"

    def hold_request(self, api: int, *, about: str = "", nth: int = 1, times: float = 1) -> Point:
        """The broker does not get the request until its point is released; then on its own connection.

        That connection stays open even when the client has left it, so a retry can be answered first.
        """
        return self._add(api, "request", about=about, nth=nth, times=times)

    def hold_response(self, api: int, *, about: str = "", nth: int = 1, times: float = 1) -> Point:
        """The broker gets the request and answers; the client gets the answer only on release."""
        return self._add(api, "response", about=about, nth=nth, times=times)

    def delay(
        self, api: int, seconds: float, *, when: When = "request", about: str = "", times: float = math.inf
    ) -> Point:
        """Each such frame waits for `seconds` before it goes on."""
        return self._add(api, when, about=about, times=times, seconds=seconds, passes=True)

    def cut(
        self, api: int, when: When = "request", *, about: str = "", nth: int = 1, times: float = 1
    ) -> Point:
        """Reset the connection (RST, both sides) instead of passing the frame on."""
        return self._add(api, when, about=about, nth=nth, times=times, passes=False)

    def clear(self) -> None:
        """Take all points away; what they hold goes on."""
        self._points.clear(passes=True)

    def cut_all(self) -> None:
        """Reset all connections there are; new ones may come at once."""
        self._call(self._cut_all())

    def freeze(self) -> None:
        """Pass nothing in either direction, on old and new connections, until thaw(); none is closed."""
        self._flow = Future()

    def thaw(self) -> None:
        """Let everything go on, what has waited first."""
        if not self._flow.done():
            self._flow.set_result(None)

    def seen(self, api: int, when: When = "request") -> int:
        """How many such frames have come to the proxy, passed on or not."""
        return self._points.seen(api, when)

    def wait_for(self, api: int, seconds: float, *, when: When = "request", count: int = 1) -> None:
        """Block until `count` such frames have come since the start; TimeoutError after `seconds`.

        Unless a point holds it, the last one may already be on its way.
        """
        self._points.wait_for(api, when, count, seconds)

    def _add(
        self,
        api: int,
        when: When,
        *,
        about: str,
        nth: int = 1,
        times: float = 1,
        seconds: float = 0.0,
        passes: bool | None = None,
    ) -> Point:
        point = Point(api, when, about=about, nth=nth, times=times, seconds=seconds, passes=passes)
        return self._points.add(point)

    async def _serve(self, *client: Any) -> None:
        """Carry one client's connection to its end."""
        try:
            broker = await asyncio.open_connection(LOOPBACK, self._broker_port)
        except OSError:
            # No broker behind us: the client shall notice, as it would without us.
            reset(client[1])
            return
        link = Link(client, broker, self._passes, self._with_our_address)
        self._links[link] = asyncio.current_task()
        try:
            await link.run()
        except OSError:
            link.cut()
        except Exception as error:
            self._failures.append(error)
            link.cut()
        finally:
            del self._links[link]

    async def _passes(self, request: Request, when: When) -> bool:
        for point in self._points.meet(request, when):
            if not await point.decide():
                return False
        await patiently(self._flow)
        return True

    def _with_our_address(self, request: Request, answer: bytes) -> bytes:
        if request.api not in ADDRESS_APIS:
            return answer
        self._addresses["answers"] += 1
        for host in HOSTS:
            theirs = address_bytes(host, self._broker_port)
            self._addresses["replaced"] += answer.count(theirs)
            answer = answer.replace(theirs, address_bytes(LOOPBACK, self._port))
        return answer

    async def _cut_all(self) -> None:
        for link in self._links:
            link.cut()

    async def _end(self) -> None:
        self._server.close()
        tasks = [task for task in self._links.values() if task]
        await self._cut_all()
        if tasks:
            await asyncio.wait(tasks)
        # Transports are closed by callbacks of the next turn.
        await asyncio.sleep(0)

    def _raise_failures(self) -> None:
        if self._failures:
            raise self._failures[0]
        if self._addresses["answers"] and not self._addresses["replaced"]:
            raise RuntimeError(
                f"clients went past the proxy: the broker is not {LOOPBACK}:{self._broker_port}"
            )

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)
