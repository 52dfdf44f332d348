"""One chain for all log lines, ours and the libraries': JSON for machines, plain in a terminal, no secrets.

Leaves what is worth a line to the rooms. They call `structlog.get_logger(__name__)`.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from runtime.redaction import hide
from runtime.settings import LogSettings

# Libraries that would log each request or each start.
_QUIET = (
    "httpx",
    "httpcore",
    "httpx2",
    "uvicorn",
    "uvicorn.access",
    "uvicorn.error",
    "urllib3",
)
# These warn of each failed attempt before they raise; whoever catches it says so in words of ours, once.
_SILENT = ("clickhouse_connect", "urllib3.connectionpool")

# What a person looks for in a line comes first.
_FIRST = ("timestamp", "level", "event", "logger")


def configure_logging(
    log: LogSettings, *, daemon: bool, secrets: Sequence[str] = (), stream: TextIO | None = None
) -> None:
    """Set up logging for this process; a second call replaces the first.

    Daemons log to stdout; commands to stderr, as their stdout is data. `secrets` are values that must not
    appear in any line (`redaction.secret_values(settings)`). Uncaught errors of threads are logged as well.
    """
    out = stream or (sys.stdout if daemon else sys.stderr)
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(_as_json(log, out), _colours(out), secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
    for name in _QUIET:
        quiet = logging.getLogger(name)
        quiet.handlers.clear()
        quiet.propagate = True
        quiet.setLevel(max(logging.WARNING, root.level))
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.ERROR)
    librdkafka = logging.getLogger("librdkafka")
    librdkafka.filters[:] = [Repeats()]
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_error
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _as_json(log: LogSettings, out: TextIO) -> bool:
    return log.format == "json" or (log.format == "auto" and not out.isatty())


def _colours(out: TextIO) -> bool:
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.StackInfoRenderer(),
    ]


def _formatter(as_json: bool, colours: bool, secrets: Sequence[str]) -> logging.Formatter:
    # Local variables are never shown with an exception: they are where secrets are.
    final: list[Processor] = (
        [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            redactor(secrets),
            structlog.processors.JSONRenderer(serializer=_json),
        ]
        if as_json
        else [
            structlog.processors.format_exc_info,
            redactor(secrets),
            structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback),
        ]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
    )


def redactor(secrets: Sequence[str]) -> Processor:
    """A processor that hides secrets in every field, traceback and message of a line."""

    def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {name: hide(value, secrets, name=name) for name, value in event.items()}

    return redact


def _json(event: Any, **_: Any) -> str:
    first = {name: event[name] for name in _FIRST if name in event}
    return orjson.dumps(first | event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    name = args.thread.name if args.thread else "unknown"
    info = (args.exc_type, args.exc_value, args.exc_traceback)
    logging.getLogger("runtime").critical("thread %s ended with an error", name, exc_info=info)


class Repeats(logging.Filter):
    """Lets librdkafka say the same thing once in `seconds`.

    Without a broker it says it many times a second.
    """

    def __init__(self, seconds: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._next: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """True when this line was not there within the last `seconds`."""
        # "FAIL [ingest#producer-1] [thrd:…]: … (after 3ms in state CONNECT)": the measured times differ.
        said = record.getMessage().partition(" (after ")[0]
        now = self._clock()
        if now < self._next.get(said, now):
            return False
        self._next = {text: due for text, due in self._next.items() if due > now} | {
            said: now + self._seconds
        }
        return True
