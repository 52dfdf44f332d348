"""What is published together: records and dead letters since the last checkpoint, bounded."""

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from typing import Any

from producer.dead_letters import Letter

# {"key", "value"}, as Producer.produce_batch takes it; what it refuses gets an "_error".
Message = dict[str, Any]
_KEY, _VALUE = itemgetter("key"), itemgetter("value")


@dataclass(frozen=True)
class Limits:
    """When a checkpoint is due; `seconds` counts from its first item."""

    records: int
    bytes: int
    seconds: float


class Packed:
    """Messages in two pieces of memory: for the case that they must be sent again.

    Thousands of small objects would be out of the processor's cache when they are freed.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        keys, values = list(map(_KEY, messages)), list(map(_VALUE, messages))
        self._lengths = array("I", map(len, keys)), array("I", map(len, values))
        self._joined = b"".join(keys), b"".join(values)

    def messages(self) -> list[Message]:
        """The messages as they were."""
        keys, values = map(_cut, self._joined, self._lengths)
        return [{"key": key, "value": value} for key, value in zip(keys, values, strict=True)]


def _cut(joined: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    ends = list(accumulate(lengths))
    return (joined[start:end] for start, end in zip([0, *ends], ends, strict=False))


class Checkpoint:
    """Encoded records ([{"key", "value"}]) and dead letters that one transaction will publish.

    extracted = records + len(letters) + deduplicated.
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._opened_at: float | None = None
        self._bytes = 0
        self._slices: list[list[Message] | Packed] = []
        self._packed = 0
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
            messages = part.messages() if isinstance(part, Packed) else part
            yield messages
            self._slices[place] = part if isinstance(part, Packed) else Packed(messages)

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
