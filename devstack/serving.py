"""Starts an ASGI application as a dev-stack process: a free or fixed port, one ready line, a clean end.

The ready line is the only thing written to stdout, one JSON object:

    {"name": "registry", "address": "http://127.0.0.1:40123", "host": "127.0.0.1", "port": 40123, "pid": 47}

What the applications do, and who starts and watches the processes, is not decided here.
"""

import contextlib
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn

from devstack.errors import PortTakenError

# Long enough for clients that pool connections and pause between requests.
KEEP_ALIVE_SECONDS = 75
# ClickHouse clients put whole statements into the URL; a real server takes 1 MiB.
MAX_HEAD_BYTES = 2 << 20


def listen(host: str, port: int, name: str) -> socket.socket:
    """Return a listening TCP socket on `host`:`port` (0 = any free port).

    Raises PortTakenError when the port is taken or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle off for sockets that name their protocol; without that each answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Listening now, not in uvicorn: with SO_REUSEADDR two idle binds to one port both succeed.
        listener.listen(1024)
    except OSError as exc:
        listener.close()
        reason = (
            "is taken by another process" if exc.errno == errno.EADDRINUSE else f"is refused: {exc.strerror}"
        )
        raise PortTakenError(
            f"{name}: port {port} on {host} {reason}. End that process, give another port with --port N, "
            "or let the system choose one with --port 0."
        ) from exc
    return listener


def serve(app: Any, *, host: str, port: int, name: str, grace_seconds: int = 3) -> int:
    """Serve `app` until SIGTERM or SIGINT and return the process's exit code.

    `name` is what the ready line and messages call this process. On a signal, requests under way get
    `grace_seconds` to finish; then the application's lifespan ends. 0 = ended by a signal, 1 = not started
    (the reason is on stderr).
    """
    try:
        listener = listen(host, port, name)
    except PortTakenError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=grace_seconds,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
    )
    with listener:
        _Server(config, name, host).run(sockets=[listener])
    return 0


class _Server(uvicorn.Server):
    """uvicorn that announces itself on stdout and for which SIGTERM is a normal end."""

    def __init__(self, config: uvicorn.Config, name: str, host: str) -> None:
        super().__init__(config)
        self._name = name
        self._host = host

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets
        port = sockets[0].getsockname()[1]
        shown = f"[{self._host}]" if ":" in self._host else self._host
        line = {
            "name": self._name,
            "address": f"http://{shown}:{port}",
            "host": self._host,
            "port": port,
            "pid": os.getpid(),
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but the signal is not raised again afterwards: a requested end is exit code 0."""
        numbers = (signal.SIGTERM, signal.SIGINT)
        previous = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
