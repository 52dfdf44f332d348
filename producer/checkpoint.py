"""What is published together: records and dead letters since the last checkpoint, bounded."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from producer.dead_letters import Letter


@dataclass(frozen=True)
class Limits:
    """When a checkpoint is due; `seconds` counts from its first item."""

    records: int
    bytes: int
    seconds: float


class Checkpoint:
    """Encoded records ([{"key", "value"}]) and dead letters that one transaction will publish.

    extracted = len(messages) + len(letters) + deduplicated.
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._opened_at: float | None = None
        self._bytes = 0
        self.messages: list[dict[str, Any]] = []
        self.letters: list[Letter] = []
        self.extracted = 0
        self.deduplicated = 0

    def __bool__(self) -> bool:
        """Whether anything has been extracted since the last one."""
        return self.extracted > 0

    def add(
        self, messages: Sequence[dict[str, Any]], letters: Sequence[Letter], size: int, deduplicated: int
    ) -> None:
        """Add what came of some items: messages of `size` bytes, letters, and how many were in the topics."""
        if self._opened_at is None:
            self._opened_at = self._clock()
        self.messages += messages
        self.letters += letters
        self.deduplicated += deduplicated
        self.extracted += len(messages) + len(letters) + deduplicated
        self._bytes += size + sum(len(letter.value) for letter in letters)

    @property
    def age(self) -> float:
        """Seconds since the first item."""
        return 0.0 if self._opened_at is None else self._clock() - self._opened_at

    def due_in(self) -> float:
        """Seconds until it must be published, 0 for at once."""
        if (
            len(self.messages) + len(self.letters) >= self._limits.records
            or self._bytes >= self._limits.bytes
        ):
            return 0.0
        if self._opened_at is None:
            return self._limits.seconds
        return max(0.0, self._opened_at + self._limits.seconds - self._clock())
