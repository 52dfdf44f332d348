"""Tells from librdkafka's own log whether a producer's connections have been undisturbed.

Nothing else does: a link that is cut at EndTxn, or an answer that does not come, makes librdkafka send the
request again and report success, without any event (measured with 2.16; tests/integration/kafka_proxy pins it
down). The first request may still be on its way, and commit half of the next transaction.
"""

import logging
from typing import Any

# With it each failed connection is logged, also the third one of the same kind within half a minute.
DEBUG = "broker"
_LOST = ("(_TRANSPORT)", "(_TIMED_OUT)")


class ConnectionLog:
    """Takes librdkafka's log lines, as its `logger` property; passes on those that are not for debugging."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self.disturbed = False

    def log(self, level: int, text: str, *arguments: Any) -> None:
        """One line: its kind, the client, what happened. librdkafka's client calls it while it is polled."""
        kind, *_, what = arguments
        if kind == "REQTMOUT" or (kind == "FAIL" and any(word in what for word in _LOST)):
            self.disturbed = True
        if level > logging.DEBUG:
            self._log.log(level, text, *arguments)
