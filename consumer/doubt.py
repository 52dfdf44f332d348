"""When a registry's "not found" is believed.

Some registries know no schema for the first seconds after their start. A record must not become a dead
letter for that. What follows from the answer is decided in `plans`.
"""

import time
from collections.abc import Callable
from threading import Lock

# Apicurio with its schemas in Kafka denied known ones for 2.3 s after a start.
DOUBTED_SECONDS = 10.0
# Denials this far apart have nothing to do with each other.
_FORGOTTEN_SECONDS = 60.0


class Doubt:
    """Doubts the first denials, of whatever schema, for a while. For several threads.

    One clock for all schemas: records with thousands of invented ids delay their topic once and not each.
    """

    def __init__(
        self, seconds: float = DOUBTED_SECONDS, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._first = self._last = float("-inf")

    def believes(self) -> bool:
        """Take note of a denial; True if the registry has been denying for long enough."""
        with self._lock:
            now = self._clock()
            if now - self._last > _FORGOTTEN_SECONDS:
                self._first = now
            self._last = now
            return now - self._first >= self._seconds
