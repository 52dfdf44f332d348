"""An outside API that grows while it is asked, and counts what it is asked."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from devstack.ports import LOOPBACK

PER_SECOND = 4


class Upstream:
    """Under each path there are the numbers from 0 on, four more each second until `stop_growing`.

    `asked` has when each request came, by path, by this process's clock.
    """

    def __init__(self) -> None:
        self.asked: dict[str, list[float]] = {}
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._final: int | None = None
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = upstream.answer(self.path, time.monotonic())
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="upstream", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def stop_growing(self) -> int:
        """How many numbers there will ever be."""
        with self._lock:
            self._final = self._count()
            return self._final

    def answer(self, path: str, now: float) -> bytes:
        """Numbers from `first` to before `below`, at most `limit`; of a city every third, newest first."""
        place = urlsplit(path)
        query = {name: int(values[0]) for name, values in parse_qs(place.query).items()}
        with self._lock:
            self.asked.setdefault(place.path.strip("/"), []).append(now)
            count = self._count()
        found = list(range(query["first"], min(count, query.get("below", count))))
        if "city" in query:
            found = [number for number in reversed(found) if number % 3 == query["city"]]
        return json.dumps({"count": count, "items": found[: query.get("limit")]}).encode()

    def _count(self) -> int:
        return self._final or int((time.monotonic() - self._start) * PER_SECOND)
