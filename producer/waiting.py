"""Says what is waited for: one line when it begins to take long, one now and then, one when it is over."""

import time
from collections.abc import Callable

import structlog

QUIET = 5.0
AGAIN = 30.0
_log = structlog.get_logger(__name__)


class Waiting:
    """Watches something that should make progress. `what` completes the sentence "waiting for …".

    `on_change` is told True when a wait has become long (after `quiet` seconds without progress), False when
    it is over.
    """

    def __init__(
        self,
        what: str,
        *,
        on_change: Callable[[bool], object] = lambda waiting: None,
        clock: Callable[[], float] = time.monotonic,
        quiet: float = QUIET,
        again: float = AGAIN,
    ) -> None:
        self.what = what
        self._on_change = on_change
        self._clock = clock
        self._quiet = quiet
        self._again = again
        self._since = clock()
        self._say_at = self._since + quiet
        self._said = False

    def begin(self) -> None:
        """A wait begins: what came before it does not count, unless a long wait is still going on."""
        if not self._said:
            self._since = self._clock()
            self._say_at = self._since + self._quiet

    def still(self, **facts: object) -> None:
        """Nothing has come: speak when it is time to, with `facts`."""
        now = self._clock()
        if now < self._say_at:
            return
        _log.warning("waiting", waiting_for=self.what, seconds=round(now - self._since, 1), **facts)
        if not self._said:
            self._on_change(True)
        self._said = True
        self._say_at = now + self._again

    def progress(self) -> None:
        """Something has come: a long wait is over."""
        if self._said:
            _log.info("waiting_over", waited_for=self.what, seconds=round(self._clock() - self._since, 1))
        self.close()
        self.begin()

    def close(self) -> None:
        """Nobody waits any longer, whether or not something has come."""
        if self._said:
            self._on_change(False)
        self._said = False
