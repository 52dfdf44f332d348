"""A limits topic in memory, clocks that can be wrong, and processes that count on both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_LOG_APPEND_TIME

from connectors.rates import parse_rate_limits
from producer.errors import BrokerAwayError
from producer.limits.record import Clocks
from producer.limits.store import KafkaOwnership
from producer.limits.upstream import UpstreamLimits
from producer.limits.written import Written

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOST = "api.test"


@dataclass(frozen=True)
class MemoryMessage:
    """As confluent_kafka's, which cannot be made by hand. `at` is the broker's time in seconds."""

    place: int
    name: bytes
    content: bytes | None
    at: float

    def key(self) -> bytes:
        return self.name

    def value(self) -> bytes | None:
        return self.content

    def offset(self) -> int:
        return self.place

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_LOG_APPEND_TIME, int(self.at * 1000)


@dataclass
class World:
    """True time in seconds; wall clock and broker's clock, `off` by seconds; one machine or several."""

    seconds: float = 1000.0
    wall_off: float = 0.0
    broker_off: float = 0.0
    boot: str | None = "machine-1"
    booted_at: float = 0.0
    away: bool = False
    # Whether acknowledgements have the offset.
    tells_offsets: bool = True
    # In the order of their offsets.
    topic: list[MemoryMessage] = field(default_factory=list)
    # Done one by one, the last first, each behind a record that was just written...
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    # ... or behind the end that a reader has just met. Its writer, or reader, goes on afterwards.
    unseen: list[Callable[[], object]] = field(default_factory=list)

    def newest(self) -> dict[bytes, bytes]:
        """The value of each key that is not deleted."""
        newest = {message.name: message.content for message in self.topic}
        return {key: content for key, content in newest.items() if content is not None}

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

    def limits(
        self,
        runs: Sequence[str] = (),
        requests: Sequence[str] = (),
        *,
        upstream: str = "prices",
        store: "MemoryStore | None" = None,
    ) -> UpstreamLimits:
        """A process that knows nothing but what the topic has; with `store`, that one's."""
        return UpstreamLimits(
            upstream,
            parse_rate_limits(runs),
            parse_rate_limits(requests),
            clocks=self.clocks(),
            own=partial(KafkaOwnership, store or MemoryStore(self), upstream, 0),
            pause=self.pass_by,
        )


class MemoryStore:
    """Implements Log: one process's door to the topic, which has one partition."""

    def __init__(self, world: World) -> None:
        self.written = Written()
        self.reads = 0
        self._world = world

    def produce(self, partition: int, key: bytes, value: bytes | None) -> int | None:
        world = self._world
        self._reach()
        message = MemoryMessage(len(world.topic), key, value, world.seconds + world.broker_off)
        world.topic.append(message)
        if world.tells_offsets:
            self.written.add(partition, message.place, key)
        if world.meanwhile:
            world.meanwhile.pop()()
        return message.place if world.tells_offsets else None

    def read(self, partition: int, start: int = OFFSET_BEGINNING) -> dict[bytes, Any]:
        self._reach()
        self.reads += 1
        newest = {message.name: message for message in self._world.topic[max(start, 0) :]}
        if self._world.unseen:
            self._world.unseen.pop()()
        return newest

    def _reach(self) -> None:
        if self._world.away:
            raise BrokerAwayError("no broker")


def ask(limits: UpstreamLimits) -> bool:
    """One request, answered at once."""
    refusal = limits.take(HOST)
    if refusal is None:
        limits.settle(HOST)
    return refusal is None


def spend(limits: UpstreamLimits, most: int = 10_000) -> int:
    """Requests until the first refusal."""
    return next((count for count in range(most) if not ask(limits)), most)


def fullest(times: Sequence[float], seconds: float) -> int:
    """The most of `times` in any window of `seconds`, its start included and its end not."""
    ordered = sorted(times)
    most = first = 0
    for place, time in enumerate(ordered):
        while time - ordered[first] >= seconds - 1e-6:
            first += 1
        most = max(most, place - first + 1)
    return most
