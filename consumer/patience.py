"""Calls of librdkafka that wait for the broker and take no deadline, given one."""

import threading
from collections.abc import Callable


def returns_within(seconds: float, call: Callable[[], None], name: str) -> bool:
    """Make the call, and wait for it so long; False when it is not over by then, and left to itself.

    What it raises in time is raised. It runs in a thread called `name`, which keeps no process from ending.
    """
    raised: list[Exception] = []

    def run() -> None:
        try:
            call()
        except Exception as exc:
            raised.append(exc)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    return not thread.is_alive()
