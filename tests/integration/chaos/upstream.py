"""An outside API that grows while it is asked, and counts what it is asked."""

import threading
import time
from collections.abc import Mapping
from typing import Any

from connectors.testing.scripted import Scripted

PER_SECOND = 4


class Upstream(Scripted):
    """Under each path there are the numbers from 0 on, four more each second until `stop_growing`.

    `asked` has when each request came, by path, by this process's clock.
    """

    def __init__(self) -> None:
        super().__init__(self._numbers)
        self.asked: dict[str, list[float]] = {}
        self._growing = threading.Lock()
        self._start = time.monotonic()
        self._final: int | None = None

    def stop_growing(self) -> int:
        """How many numbers there will ever be."""
        with self._growing:
            self._final = self._count()
            return self._final

    def _numbers(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Numbers from `first` to before `below`, at most `limit`; of a city every third, newest first."""
        asked = {name: int(value) for name, value in query.items()}
        with self._growing:
            self.asked.setdefault(path.strip("/"), []).append(time.monotonic())
            count = self._count()
        found = list(range(asked["first"], min(count, asked.get("below", count))))
        if "city" in asked:
            found = [number for number in reversed(found) if number % 3 == asked["city"]]
        return {"count": count, "items": found[: asked.get("limit")]}

    def _count(self) -> int:
        return self._final or int((time.monotonic() - self._start) * PER_SECOND)
