"""A limits topic in memory, clocks that can be wrong, and processes that count on both."""

from collections.abc import Callable, Collection, Sequence
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
    # Key, value (None: deleted), and the broker's time, in the order of their offsets.
    topic: list[tuple[bytes, str | None, float]] = field(default_factory=list)
    owners: int = 0
    # Done one by one, the last first, each behind a record that was just written.
    meanwhile: list[Callable[[], object]] = field(default_factory=list)

    def newest(self) -> dict[bytes, tuple[str, float]]:
        """What a reader finds: the text and time of each key."""
        newest = {key: (text, at) for key, text, at in self.topic}
        return {key: (text, at) for key, (text, at) in newest.items() if text is not None}

    def clocks(self) -> Clocks:
        return Clocks(
            lambda: START + timedelta(seconds=self.seconds + self.wall_off),
            lambda: self.seconds - self.booted_at,
            self.boot,
        )

    def pass_by(self, seconds: float) -> None:
        """Time goes on."""
        self.seconds += seconds

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
            pause=self.pass_by,
        )


class MemoryOwnership:
    """Implements Ownership. Records go through their JSON, as in Kafka."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.owners += 1
        self._key = f"prices/{world.owners}".encode()
        self.overtaken = False

    def load(self, record: Record) -> Sequence[Found]:
        now = self._world.seconds + self._world.broker_off
        self._append(self._key, record)
        newest = self._world.newest()
        self._meet(newest)
        return [
            Found(key, Record.model_validate_json(text), now - at)
            for key, (text, at) in newest.items()
            if key != self._key
        ]

    def write(self, record: Record) -> None:
        before = self._world.newest()
        self._append(self._key, record)
        self._meet(before)

    def forget(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            self._append(key, None)

    def _meet(self, others: Collection[bytes]) -> None:
        order = list(dict.fromkeys(key for key, _, _ in self._world.topic))
        later = order[order.index(self._key) + 1 :]
        self.overtaken |= self._key not in others or not set(later).isdisjoint(others)

    def _append(self, key: bytes, record: Record | None) -> None:
        """Before its writer goes on, somebody else may do something."""
        if self._world.away:
            raise BrokerAwayError("no broker")
        at = self._world.seconds + self._world.broker_off
        self._world.topic.append((key, None if record is None else record.model_dump_json(), at))
        if self._world.meanwhile:
            self._world.meanwhile.pop()()


def fullest(times: Sequence[float], seconds: float) -> int:
    """The most of `times` in any window of `seconds`, its start included and its end not."""
    ordered = sorted(times)
    most = first = 0
    for place, time in enumerate(ordered):
        while time - ordered[first] >= seconds - 1e-6:
            first += 1
        most = max(most, place - first + 1)
    return most
