"""An HTTP API that answers by a script, in this process: its counts outlive the runs that it serves."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True)
class Answer:
    """What a request gets: `body` is text or bytes as they are, anything else as JSON."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Query = Mapping[str, str]
Script = Callable[[str, Query], Any]


class Scripted:
    """Serves `answers` on loopback while it is entered; `check_crashes` does that.

    `answers` is a function of path and query, or a mapping of paths to answers or functions of the query. An
    answer is an `Answer`, else it is sent as JSON with status 200. What a mapping does not have is 404.
    `every` says how it fails: `{3: 500, 10: Answer(status=429, headers={"Retry-After": "0"})}` answers each
    third request with 500 and each tenth with 429, counted over all runs. `setting` is the setting of the
    connector that gets the address. GET and POST are served, several at once.
    """

    def __init__(
        self,
        answers: Script | Mapping[str, Any],
        *,
        every: Mapping[int, int | Answer] = MappingProxyType({}),
        setting: str = "base_url",
    ) -> None:
        self.setting = setting
        self.requests = 0
        self._script = answers if callable(answers) else _by_path(answers)
        self._every = every
        self._lock = threading.Lock()
        self._error: Exception | None = None

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._answer))
        self._thread = threading.Thread(target=self._server.serve_forever, name="scripted", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving; raises what the script itself has raised, which its clients saw as a 500."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self._error is not None:
            raise self._error

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def _answer(self, target: str) -> Answer:
        parts = urlsplit(target)
        with self._lock:
            self.requests += 1
            failed = [failure for nth, failure in self._every.items() if self.requests % nth == 0]
        if failed:
            return failed[0] if isinstance(failed[0], Answer) else Answer(status=failed[0])
        try:
            answer = self._script(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)))
        except Exception as exc:
            self._error = exc
            return Answer(f"the script failed: {exc!r}", 500)
        return answer if isinstance(answer, Answer) else Answer(answer)


def _by_path(answers: Mapping[str, Any]) -> Script:
    def script(path: str, query: Query) -> Any:
        if path not in answers:
            return Answer(f"{path} is not in the script, only {', '.join(answers)}", 404)
        answer = answers[path]
        return answer(query) if callable(answer) else answer

    return script


def _handler(answer_to: Callable[[str], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # A body that is left unread would reset the connection.
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = answer_to(self.path)
            body = _bytes(answer.body)
            headers = {"Content-Type": _type(answer.body), **answer.headers}
            self.send_response(answer.status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                """The client was killed: that is what this is for."""

        def log_message(self, *_: Any) -> None:
            """Say nothing of requests."""

    return Handler


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body, default=str)).encode()


def _type(body: Any) -> str:
    return "text/plain; charset=utf-8" if isinstance(body, str | bytes) else "application/json"
