"""What is published together: records and dead letters since the last checkpoint, bounded."""

import marshal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from producer.dead_letters import Letter

# {"key", "value"}, as Producer.produce_batch takes it; what it refuses gets an "_error".
Message = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """When a checkpoint is due; `seconds` counts from its first item."""

    records: int
    bytes: int
    seconds: float


class Checkpoint:
    """Encoded records ([{"key", "value"}]) and dead letters that one transaction will publish.

    extracted = records + len(letters) + deduplicated.
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._opened_at: float | None = None
        self._bytes = 0
        # What has been given is kept in one piece, for the case that it must be sent again: thousands of
        # small objects would be out of the processor's cache when they are freed.
        self._slices: list[list[Message] | bytes] = []
        self.records = 0
        self.letters: list[Letter] = []
        self.deduplicated = 0

    def __bool__(self) -> bool:
        """Whether anything has been extracted since the last one."""
        return self.extracted > 0

    @property
    def extracted(self) -> int:
        """How many items it is made of."""
        return self.records + len(self.letters) + self.deduplicated

    def add(self, messages: list[Message], letters: Sequence[Letter], size: int, deduplicated: int) -> None:
        """Add what came of some items: messages of `size` bytes, letters, and how many were in the topics."""
        if self._opened_at is None and (messages or letters or deduplicated):
            self._opened_at = self._clock()
        if messages:
            self._slices.append(messages)
        self.records += len(messages)
        self.letters += letters
        self.deduplicated += deduplicated
        self._bytes += size + sum(len(letter.value) for letter in letters)

    def messages(self, first: int) -> Iterator[list[Message]]:
        """The slices from the `first` one on; each is packed when the next one is taken."""
        for place in range(first, len(self._slices)):
            part = self._slices[place]
            messages = marshal.loads(part) if isinstance(part, bytes) else part  # noqa: S302 - our own bytes
            yield messages
            if part is messages:
                self._slices[place] = marshal.dumps(messages)

    @property
    def slices(self) -> int:
        """How many slices there are."""
        return len(self._slices)

    @property
    def age(self) -> float:
        """Seconds since the first item."""
        return 0.0 if self._opened_at is None else self._clock() - self._opened_at

    def due_in(self) -> float:
        """Seconds until it must be published, 0 for at once."""
        limits = self._limits
        if self.records + len(self.letters) >= limits.records or self._bytes >= limits.bytes:
            return 0.0
        return max(0.0, limits.seconds - self.age)
