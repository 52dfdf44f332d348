"""Waits for an outside API, as plain lines in a terminal, where someone would see nothing for minutes.

Where stderr is no terminal, and in the daemons, the log has the same.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

# They log with `wait_seconds` before each wait.
_WAITING = ("connectors.resilience", "connectors.http.client")


@contextmanager
def telling_waits(
    say: Callable[[str], None],
    *,
    terminal: bool,
    now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
) -> Iterator[None]:
    """While it lasts, in a `terminal`, `say` each wait with its reason and when it goes on."""
    if not terminal:
        yield
        return

    def tell(record: logging.LogRecord) -> bool:
        seconds = getattr(record, "wait_seconds", None)
        if seconds is None:
            return True
        say(f"{record.getMessage()}; goes on at {now() + timedelta(seconds=seconds):%H:%M:%S}")
        return False

    for name in _WAITING:
        logging.getLogger(name).addFilter(tell)
    try:
        yield
    finally:
        for name in _WAITING:
            logging.getLogger(name).removeFilter(tell)
