"""What is in the topic already, so that it is not published again (rules P5 and P7).

A record is known again by its key and its payload's bytes; run and times of extraction may differ. Equal
records are counted: a source that yields one twice has it published twice, also after a crash in between.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple

from producer.spilled import Spilled
from schemas.envelope import payload_start

# About 15 MB, and as much again where changes back are looked for; more are kept in a file.
IN_MEMORY = 100_000
# Bytes of a digest.
SIZE = 16
_ROWS = 10_000


class Identity(NamedTuple):
    """What a record is known again by, 16 bytes each: its key alone, and key and payload together."""

    key: bytes
    version: bytes


def identity(key: bytes | None, value: bytes) -> Identity:
    """The identity of a framed record."""
    try:
        payload = value[payload_start(value) :]
    except IndexError:
        # Nobody of us wrote it.
        payload = value
    of_key = blake2b(key or b"", digest_size=SIZE).digest()
    return Identity(of_key, blake2b(payload, digest_size=SIZE, key=of_key).digest())


def letter_digest(value: bytes) -> bytes:
    """What a dead letter is known again by: the item in it."""
    return blake2b(value, digest_size=SIZE).digest()


class Seen:
    """Counted digests: in memory, and past `in_memory` different ones in a temporary file, never guessed.

    Used by one thread.
    """

    def __init__(self, *, in_memory: int = IN_MEMORY) -> None:
        self._counts: Counter[bytes] = Counter()
        self._spilled: Spilled[int] = Spilled(self._counts, in_memory, "value + excluded.value")
        self._left = 0

    def close(self) -> None:
        """Forget everything."""
        self._spilled.close()

    def __len__(self) -> int:
        """How many records are there that have not been taken."""
        return self._left

    def add(self, digests: Iterable[bytes]) -> None:
        """Remember these, each once more."""
        digests = iter(digests)
        while some := list(islice(digests, _ROWS)):
            self._left += len(some)
            self._counts.update(some)
            self._spilled.trim()

    def take(self, digests: Sequence[bytes]) -> list[bool]:
        """For each digest whether it was there; those that were are there once less."""
        self._spilled.fetch(digests)
        taken = []
        for one in digests:
            there = self._counts.get(one, 0)
            if there > 1:
                self._counts[one] = there - 1
            elif there:
                del self._counts[one]
            taken.append(there > 0)
        self._left -= sum(taken)
        return taken
