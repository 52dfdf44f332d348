"""Ports on loopback that stay with a part: chosen free, remembered in the folder, taken again at a restart.

They lie below the range from which the kernel takes the near ends of outgoing connections. From within that
range, a client that knocks at a stopped broker's port can be given that very port as its own near end: it
then talks to itself, and the broker cannot come back.
"""

import json
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path

from devstack.errors import PortTakenError

LOOPBACK = "127.0.0.1"
RANGE = range(15_000, 32_000)
POLL_SECONDS = 0.05
_TRIES = 200


class PortBook:
    """Ports by name, kept in a JSON file so that a folder's parts have the same addresses next time."""

    def __init__(self, path: Path, *, choose: Callable[[range], int] = random.choice) -> None:
        self._path = path
        self._choose = choose
        self._ports: dict[str, int] = _read(path)

    def port(self, name: str) -> int:
        """Return the port of `name`: the remembered one if it is free, else a new free one, remembered."""
        known = self._ports.get(name)
        if known is None or not is_free(known):
            self._ports[name] = self._new_port()
            self._path.write_text(json.dumps(self._ports, indent=1) + "\n")
        return self._ports[name]

    def _new_port(self) -> int:
        for _ in range(_TRIES):
            port = self._choose(RANGE)
            if port not in self._ports.values() and is_free(port):
                return port
        raise PortTakenError(
            f"No free port on {LOOPBACK} in {RANGE.start} to {RANGE.stop - 1} after {_TRIES} tries."
        )


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now; lingering closed connections do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            # Only listening tells: with SO_REUSEADDR two idle binds to one port both succeed.
            probe.listen(1)
        except OSError:
            return False
    return True


def accepts(port: int, seconds: float = 0.5) -> bool:
    """Whether something on loopback accepts a connection to the port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=seconds).close()
    except OSError:
        return False
    return True


def await_free(
    name: str,
    port: int,
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait up to `seconds` until the port of the part `name` is free; PortTakenError when it is not."""
    deadline = clock() + seconds
    while not is_free(port):
        if clock() >= deadline:
            raise PortTakenError(
                f"{name}: port {port} on {LOOPBACK}, where clients look for it, is held by another process. "
                "End that process, or start a new stack: it chooses other ports."
            )
        sleep(POLL_SECONDS)


def _read(path: Path) -> dict[str, int]:
    try:
        return {str(name): int(port) for name, port in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        # Only a convenience: without the file, or with a broken one, new ports are chosen.
        return {}
