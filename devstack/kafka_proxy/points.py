"""Where the proxy acts: points that a test sets, and the count of what has passed by.

Tests call from their threads, the proxy from its own; everything here may be used from both.
"""

import asyncio
import threading
from collections import Counter
from concurrent.futures import Future
from typing import Literal, TypeVar

from devstack.kafka_proxy.frames import Api, Request

When = Literal["request", "response"]
T = TypeVar("T")


class Point:
    """A place in the conversation where frames are held, delayed or cut, and the test's handle on it.

    Made by KafkaProxy. A held frame also holds back what follows it on its connection, as TCP would.
    """

    def __init__(
        self, api: int, when: When, *, about: str, nth: int, times: float, seconds: float, passes: bool | None
    ) -> None:
        self._api = api
        self._when = when
        self._about = about.encode()
        self._range = (nth, nth + times)
        self._met = 0
        self._seconds = seconds
        self._arrived: Future[None] = Future()
        self._passes: Future[bool] = Future()
        if passes is not None:
            self._passes.set_result(passes)

    def wait(self, seconds: float) -> None:
        """Block until a frame is at the point (TimeoutError after `seconds`); if held, it has not passed."""
        try:
            self._arrived.result(seconds)
        except TimeoutError:
            name = name_of(self._api)
            raise TimeoutError(f"no {name} {self._when} came to the point within {seconds:g} s") from None

    @property
    def reached(self) -> bool:
        """Whether a frame has come to the point."""
        return self._arrived.done()

    def release(self) -> None:
        """Let what is held, and what would be held here later, pass: on its own connection to the broker."""
        self._settle(passes=True)

    def drop(self) -> None:
        """Never let it pass, and reset its connection."""
        self._settle(passes=False)

    def _settle(self, *, passes: bool) -> None:
        if not self._passes.done():
            self._passes.set_result(passes)

    def takes(self, request: Request, when: When) -> bool:
        """Whether the frame is one of those that the point is for; counts those that fit."""
        if (request.api, when) != (self._api, self._when) or self._about not in request.frame:
            return False
        self._met += 1
        return self._range[0] <= self._met < self._range[1]

    async def decide(self) -> bool:
        """Wait as long as the frame shall wait, then say whether it may pass."""
        if not self._arrived.done():
            self._arrived.set_result(None)
        await asyncio.sleep(self._seconds)
        return await patiently(self._passes)


class Points:
    """All points of a proxy, and how many frames of each kind have come by."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._points: list[Point] = []
        self._seen: Counter[tuple[int, When]] = Counter()

    def add(self, point: Point) -> Point:
        with self._changed:
            self._points.append(point)
        return point

    def meet(self, request: Request, when: When) -> list[Point]:
        """Count the frame; return the points that it must pass."""
        with self._changed:
            self._seen[request.api, when] += 1
            self._changed.notify_all()
            return [point for point in self._points if point.takes(request, when)]

    def seen(self, api: int, when: When) -> int:
        with self._changed:
            return self._seen[api, when]

    def wait_for(self, api: int, when: When, count: int, seconds: float) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._seen[api, when] >= count, seconds):
                found = {f"{name_of(key)} {which}": number for (key, which), number in self._seen.items()}
                what = f"{count} × {name_of(api)} {when}"
                raise TimeoutError(f"within {seconds:g} s there was not: {what}; seen: {found}")

    def clear(self, *, passes: bool) -> None:
        """Take all points away; what they hold passes, or its connection is reset."""
        with self._changed:
            points, self._points = self._points, []
        for point in points:
            point.release() if passes else point.drop()


async def patiently(future: "Future[T]") -> T:
    """Wait in the proxy for what a test decides in its thread; a wait that is cut short leaves it open."""
    return await asyncio.shield(asyncio.wrap_future(future))


def name_of(api: int) -> str:
    """The name of a request for messages."""
    return Api(api).name if api in Api.__members__.values() else f"API {api}"
