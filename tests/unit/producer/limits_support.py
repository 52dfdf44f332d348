"""A limits topic in memory, clocks that can be wrong, and processes that count on both."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from connectors.rates import parse_rate_limits
from producer.errors import BrokerAwayError
from producer.limits.record import Clocks, Record
from producer.limits.store import Found
from producer.limits.upstream import UpstreamLimits

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOST = "api.test"


@dataclass
class World:
    """True time in seconds; wall clock and broker's clock, `off` by seconds; one machine or several."""

    seconds: float = 1000.0
    wall_off: float = 0.0
    broker_off: float = 0.0
    boot: str | None = "machine-1"
    booted_at: float = 0.0
    away: bool = False
    topic: dict[bytes, tuple[str, float]] = field(default_factory=dict)
    writes: int = 0
    owners: int = 0

    def clocks(self) -> Clocks:
        return Clocks(
            lambda: START + timedelta(seconds=self.seconds + self.wall_off),
            lambda: self.seconds - self.booted_at,
            self.boot,
        )

    def move(self, boot: str) -> None:
        """The next process starts on another machine."""
        self.boot, self.booted_at = boot, self.seconds - 17.0

    def limits(self, runs: Sequence[str] = (), requests: Sequence[str] = ()) -> UpstreamLimits:
        """A process that knows nothing but what the topic has."""
        return UpstreamLimits(
            "prices",
            parse_rate_limits(runs),
            parse_rate_limits(requests),
            clocks=self.clocks(),
            own=lambda: MemoryOwnership(self),
        )


class MemoryOwnership:
    """Implements Ownership. Records go through their JSON, as in Kafka."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.owners += 1
        self._key = f"prices/{world.owners}".encode()

    def load(self, record: Record) -> Sequence[Found]:
        self.write(record)
        now = self._world.topic[self._key][1]
        return [
            Found(key, Record.model_validate_json(text), now - at)
            for key, (text, at) in self._world.topic.items()
            if key != self._key
        ]

    def write(self, record: Record) -> None:
        if self._world.away:
            raise BrokerAwayError("no broker")
        at = self._world.seconds + self._world.broker_off
        self._world.topic[self._key] = (record.model_dump_json(), at)
        self._world.writes += 1

    def forget(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            self._world.topic.pop(key, None)


def fullest(times: Sequence[float], seconds: float) -> int:
    """The most of `times` in any window of `seconds`, its start included and its end not."""
    ordered = sorted(times)
    most = first = 0
    for place, time in enumerate(ordered):
        while time - ordered[first] >= seconds - 1e-6:
            first += 1
        most = max(most, place - first + 1)
    return most
