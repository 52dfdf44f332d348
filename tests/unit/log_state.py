"""Puts the process's log back to what it was, for tests that set it up."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def log_as_before() -> Iterator[None]:
    """Everything that `configure_logging` changes for the whole process is restored at the end."""
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level, ours = root.handlers[:], root.level, structlog.get_config()
    quiet = {
        name: logging.getLogger(name).level
        for name in ("httpx", "uvicorn.access", "clickhouse_connect", "urllib3.connectionpool")
    }
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, before in quiet.items():
            logging.getLogger(name).setLevel(before)
        logging.getLogger("librdkafka").filters.clear()
        logging.captureWarnings(False)
        threading.excepthook = hook
        structlog.configure(**ours)
