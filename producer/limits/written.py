"""Which records of the limits topic this process wrote itself, so that it need not read them to know them."""

import threading

# Of each partition: enough for what the other upstreams of a process write between two writes of one.
REMEMBERED = 1000
_CROSSING = 10


class Written:
    """Offsets with their keys, of each partition the newest REMEMBERED. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[int, dict[int, bytes]] = {}

    def add(self, partition: int, offset: int, key: bytes) -> None:
        """A record of `key` was acknowledged at `offset`."""
        with self._lock:
            keys = self._keys.setdefault(partition, {})
            # The offsets of a topic that was deleted and created again begin anew; others may have the rest.
            # Reports of two threads may cross, by a few.
            if keys and (offset in keys or offset < min(keys) - _CROSSING):
                keys.clear()
            keys[offset] = key
            if len(keys) > REMEMBERED:
                del keys[min(keys)]

    def for_others(self, partition: int, start: int, end: int, prefix: bytes) -> bool:
        """Whether all from offset `start` up to `end`, which is not included, were written by this process
        and have no key that begins with `prefix`.
        """
        with self._lock:
            keys = self._keys.get(partition, {})
            if not 0 <= end - start <= len(keys):
                return False
            return all(not keys.get(offset, prefix).startswith(prefix) for offset in range(start, end))
