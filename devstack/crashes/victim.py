"""`ingest run` of one source, as a process that is killed at points and started again."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from devstack.crashes.points import Where
from devstack.errors import DevStackError
from devstack.kafka_proxy import KafkaProxy, Point
from devstack.processes import ChildProcess, how_it_ended
from runtime.exit_codes import DEAD_LETTERS, OK

SECONDS = 120.0
POLL_SECONDS = 0.005
# Time for an answer that was let go to reach its client.
ANSWER_SECONDS = 0.002


class RunFailedError(DevStackError):
    """A run ended by itself, and not well, or does not end."""


class Victim:
    """Runs `source` with the variables of `environment`, which replace ours; its log is added to `log`."""

    def __init__(self, source: str, environment: Mapping[str, str], *, log: Path) -> None:
        command = [sys.executable, "-m", "cli.main", "run", source]
        self._process = ChildProcess(f"ingest run {source}", command, log=log, env=environment)

    def killed(self, proxy: KafkaProxy, where: Where, about: str, places: Iterable[int]) -> int:
        """Run once for each place, the number of a request; SIGKILL there. Returns how often it got there."""
        return sum(self._killed_once(proxy, where, about, nth) for nth in places)

    def _killed_once(self, proxy: KafkaProxy, where: Where, about: str, nth: int) -> bool:
        point = where.arm(proxy, about, nth)
        # However late the SIGKILL comes after an answer, nothing more is committed before it.
        bar = proxy.hold_request(where.api, about=about, nth=nth + 1) if where.answered else None
        try:
            return self._killed_at(point, answered=where.answered)
        finally:
            _take_away(point)
            if bar is not None:
                _take_away(bar)

    def _killed_at(self, point: Point, *, answered: bool) -> bool:
        """Run until the point is reached, then SIGKILL; False if the run was over before."""
        self._run_until(lambda: point.reached)
        reached = point.reached and self._process.running
        if not reached:
            self._ended_well()
        if answered:
            point.release()
            time.sleep(ANSWER_SECONDS)
        self._process.kill()
        return reached

    def completes(self) -> None:
        """Run to the end of the source."""
        self._run_until(lambda: False)
        self._ended_well()

    def end(self) -> None:
        """Kill what still runs."""
        self._process.kill()

    def _run_until(self, reached: Callable[[], bool]) -> None:
        """Start it; return when that is so, or it has ended, or takes too long."""
        self._process.start()
        deadline = time.monotonic() + SECONDS
        while self._process.running and not reached() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _ended_well(self) -> None:
        """Raise RunFailedError unless the run has come to the end of its source."""
        if self._process.exit_code in (OK, DEAD_LETTERS):
            return
        running = self._process.running
        how = f"did not end within {SECONDS:g} s" if running else how_it_ended(self._process.exit_code)
        raise RunFailedError(f"{self._process.name} {how}; its last lines:\n{self._process.log_tail()}")


def _take_away(point: Point) -> None:
    """What it holds never arrives; one that was not reached must not act on later runs."""
    if point.reached:
        point.drop()
    else:
        point.release()
