"""The HTTP side of a daemon: `/livez`, `/readyz` and `/metrics`, served from a thread of its own.

Leaves to the daemon what there is to check, and to its modules which metrics they count.
"""

import errno
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import REGISTRY, CollectorRegistry, Info
from prometheus_client.exposition import choose_encoder

from runtime.errors import PortTakenError, StartError
from runtime.settings import HttpSettings
from runtime.stopping import Deadline

# A check answers None when all is well, else one line: what is wrong, since when, what is waited for.
Check = Callable[[], str | None]
# Lines for people, under a heading of their own on `/readyz?verbose`; they decide nothing.
Details = Callable[[], Sequence[str]]

# Load balancers and uptime checks ask with HEAD.
_READ = ["GET", "HEAD"]

BUILD = Info("ingest_build", "The running version of the platform")
BUILD.info({"version": version("ingest")})


class Probe:
    """Asks one check with a time limit, so that a hanging dependency cannot hang the probe."""

    def __init__(self, name: str, check: Check) -> None:
        self.name = name
        self._check = check
        self._lock = threading.Lock()
        self._running: threading.Thread | None = None
        self._answer: str | None = None

    def start(self) -> None:
        """Begin to ask, unless the last time of asking is still unanswered."""
        with self._lock:
            if self._running is None or not self._running.is_alive():
                self._running = threading.Thread(target=self._run, name=f"check-{self.name}", daemon=True)
                self._running.start()

    def answer(self, deadline: Deadline) -> str | None:
        """The check's answer, or that it has not answered in time."""
        assert self._running is not None
        self._running.join(deadline.remaining())
        return f"no answer within {deadline.seconds:g} s" if self._running.is_alive() else self._answer

    def _run(self) -> None:
        try:
            self._answer = self._check()
        except Exception as exc:
            self._answer = f"the check itself failed: {type(exc).__name__}: {exc}"


class HealthServer:
    """Serves probes and metrics while the `with` block lasts.

    `checks` decide `/readyz`, `alive` decide `/livez` (none: alive as long as it answers). `?verbose` lists
    each check, and on `/readyz` what `details` say, which changes no status. After `drain()` `/readyz` says
    503, so that callers leave before the daemon does. Entering raises PortTakenError when the port is in use.
    """

    def __init__(
        self,
        http: HttpSettings,
        checks: Mapping[str, Check],
        *,
        alive: Mapping[str, Check] | None = None,
        details: Mapping[str, Details] | None = None,
        registry: CollectorRegistry = REGISTRY,
        check_seconds: float = 3.0,
    ) -> None:
        self._http = http
        self._ready = [Probe(name, check) for name, check in checks.items()]
        self._alive = [Probe(name, check) for name, check in (alive or {}).items()]
        self._details = [Probe(name, _as_check(lines)) for name, lines in (details or {}).items()]
        self._check_seconds = check_seconds
        self._registry = registry
        self._draining = threading.Event()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._bound: tuple[str, int] | None = None

    @property
    def address(self) -> str:
        """`http://host:port`, with the port that was really taken. Only inside the `with` block."""
        if self._bound is None:
            raise RuntimeError("HealthServer has no address before it is entered: use it in a with statement")
        host, port = self._bound
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def drain(self) -> None:
        """Answer 503 to `/readyz` from now on; `/livez` and `/metrics` go on."""
        self._draining.set()

    def __enter__(self) -> Self:
        listener = _listen(self._http.host, self._http.port)
        self._bound = listener.getsockname()[:2]
        config = uvicorn.Config(
            self._app(), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="health", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join(timeout=5)

    def _app(self) -> FastAPI:
        app = FastAPI(title="ingest health", openapi_url=None)
        app.add_api_route("/livez", self._livez, methods=_READ)
        app.add_api_route("/readyz", self._readyz, methods=_READ)
        app.add_api_route("/metrics", self._metrics, methods=_READ)
        return app

    # Plain functions: FastAPI runs them in its thread pool, so a slow check holds up no other request.
    def _livez(self, request: Request) -> Response:
        return self._answer("livez", self._alive, {}, request)

    def _readyz(self, request: Request) -> Response:
        draining = {"shutdown": "draining, this daemon is about to end"} if self._draining.is_set() else {}
        return self._answer("readyz", self._ready, draining, request, self._details)

    def _answer(
        self,
        name: str,
        probes: Sequence[Probe],
        known: Mapping[str, str | None],
        request: Request,
        details: Sequence[Probe] = (),
    ) -> Response:
        """200 or 503, in the wording of Kubernetes' own probes; faults are listed even when not asked for."""
        deadline = Deadline(self._check_seconds)
        verbose = "verbose" in request.query_params
        for probe in (*probes, *(details if verbose else ())):
            probe.start()
        found = {**known, **{probe.name: probe.answer(deadline) for probe in probes}}
        faults = {check: fault for check, fault in found.items() if fault is not None}
        if not faults and not verbose:
            return PlainTextResponse("ok")
        lines = [
            f"[-]{check} failed: {found[check]}" if check in faults else f"[+]{check} ok" for check in found
        ]
        lines.append(f"{name} check {'failed' if faults else 'passed'}")
        for detail in details if verbose else ():
            told = detail.answer(deadline) or "none"
            lines += [f"{detail.name}:", *(f"  {line}" for line in told.splitlines())]
        return PlainTextResponse("\n".join(lines) + "\n", status_code=503 if faults else 200)

    def _metrics(self, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), media_type=content_type)


def _as_check(lines: Details) -> Check:
    """Details are asked for as checks are: with a time limit, and what they raise is their answer."""
    return lambda: "\n".join(lines())


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((str(address[0]), port), family=family)
    except (OSError, UnicodeError) as exc:  # UnicodeError: a name that no name server could be asked for
        if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
            raise PortTakenError(host, port) from exc
        why = exc.strerror if isinstance(exc, OSError) else "that is no host name"
        raise StartError(
            f"Cannot listen on {host}:{port} for health and metrics: {why}. "
            "Set INGEST_HTTP__HOST to an address of this machine and INGEST_HTTP__PORT to a port above 1023."
        ) from exc
