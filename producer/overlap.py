"""What of a run's records stands in its topics already, and what has changed back (rules P5 and P7).

What a source yields again is known by its payload. But a record may go from A to B and back to A, all within
what a run reads again: then A is in the topic and not what the topic says last of its key. Such a record is
held until it is known whether B comes as well. If it does, both are versions that the source has; if not, A
is what the source says now, and it is published again.
"""

import marshal
import pickle
from collections.abc import Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Self

import structlog

from connectors.base import BaseConnector
from producer.checkpoint import Message
from producer.cursor_values import CursorValues
from producer.dead_letters import Letter
from producer.seen import IN_MEMORY, SIZE, Identity, Seen, identity, letter_digest
from producer.spilled import Spilled
from schemas.encoder import RecordEncoder
from schemas.errors import UnfitValueError

_ROWS = 10_000
# What is held are whole records.
_HELD_BYTES = 4 << 20
# In place of version and partition.
_SCATTERED = b""
_log = structlog.get_logger(__name__)


class Versions:
    """Of which keys a topic holds several versions, and ends with one that the run is still to meet."""

    def __init__(
        self,
        cursors: CursorValues | None = None,
        since: Any = None,
        *,
        in_memory: int = IN_MEMORY,
    ) -> None:
        """A run from `since` on is to meet the records whose cursor is not before it, one from None all.

        Raises UnfitValueError for a `since` that no record can have.
        """
        self._cursors = cursors
        self._since = None if cursors is None else cursors.of(since)
        self._last: Spilled[bytes] = Spilled({}, in_memory)
        # The version, and behind it its cursor.
        self._awaited: Spilled[bytes] = Spilled({}, in_memory)

    def close(self) -> None:
        """Forget everything."""
        self._last.close()
        self._awaited.close()

    def add(self, found: Sequence[tuple[Identity, int, bytes]]) -> None:
        """Take note of the topic's next records: identities, partitions and framed values."""
        keys = {one.key for one, _, _ in found}
        self.fetch(keys)
        self._last.fetch(keys)
        last, awaited = self._last.memory, self._awaited.memory
        for (key, version), partition, value in found:
            place = partition.to_bytes(4, "big", signed=True)
            before = last.get(key, version + place)
            if before[SIZE:] != place:
                # The topic has more partitions than it had: which of the two is the newer one is not known.
                last[key] = _SCATTERED
                awaited.pop(key, None)
                continue
            last[key] = version + place
            if before[:SIZE] != version:
                self._await(key, version, value)
        self._last.trim()

    def _await(self, key: bytes, version: bytes, value: bytes) -> None:
        cursor = None if self._cursors is None else self._cursors.within(value)
        if self._since is None or (cursor is not None and cursor >= self._since):
            self._awaited.memory[key] = version + pickle.dumps(cursor)
        else:
            self._awaited.memory.pop(key, None)

    def seal(self) -> None:
        """The topic has been read: of a key of one version nothing is to be found out."""
        self._last.close()

    def __bool__(self) -> bool:
        """Whether there is such a key."""
        return bool(self._awaited)

    def fetch(self, keys: set[bytes]) -> None:
        """Have these ready to be asked for."""
        self._awaited.trim()
        self._awaited.fetch(keys)

    def is_doubtful(self, one: Identity) -> bool:
        """Whether the topic ends with another version of the key, which the run has not met."""
        return not self._awaited.memory.get(one.key, one.version).startswith(one.version)

    def awaited_at(self, key: bytes) -> Any:
        """The cursor of the version that the topic ends with, None if it has none."""
        return pickle.loads(self._awaited.memory[key][SIZE:])  # noqa: S301 - our own bytes

    def as_stored(self, cursor: Any) -> Any:
        """A cursor of the run as the topic has it, to be compared with `awaited_at`; None for none."""
        return None if self._cursors is None else self._cursors.of(cursor)

    def settle(self, key: bytes) -> None:
        """The run has met what tells that its source has more than one version, or a new one."""
        self._awaited.memory.pop(key, None)

    def settle_all(self, keys: set[bytes]) -> None:
        """The same of several, which need not be ready to be asked for."""
        self.fetch(keys)
        for key in keys:
            self.settle(key)


class Overlap:
    """What stands in the topics from where a run begins. A context manager, used by one thread."""

    def __init__(self, versions: Versions | None = None, *, in_memory: int = IN_MEMORY) -> None:
        """Without `versions`, nothing is looked for that has changed back."""
        self.records, self.letters = Seen(in_memory=in_memory), Seen(in_memory=in_memory)
        self._versions = versions
        self._held: Spilled[bytes] = Spilled({})
        self._held_bytes = 0
        # By which cursor, as the topic has it, the run will have met what it has not; None: by none.
        self._known_at: Any = None
        self.held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in (self.records, self.letters, self._versions, self._held):
            if part is not None:
                part.close()

    def __bool__(self) -> bool:
        """Whether anything stands there that the run has not met."""
        return bool(self.records or self.letters)

    def read(self, messages: Iterator[tuple[bytes | None, int, bytes]]) -> None:
        """Take note of all that stands in the topic: keys, partitions and framed values, those of a partition
        in its order.
        """
        while some := [(identity(key, value), place, value) for key, place, value in islice(messages, _ROWS)]:
            self.records.add(one.version for one, _, _ in some)
            if self._versions is not None:
                self._versions.add(some)
        if self._versions is not None:
            self._versions.seal()

    def new_letters(self, letters: list[Letter]) -> list[Letter]:
        """Those of a run's dead letters that are not in their topic."""
        if not self.letters or not letters:
            return letters
        there = self.letters.take([letter_digest(one.value) for one in letters])
        return [one for one, known in zip(letters, there, strict=True) if not known]

    def sift(self, messages: list[Message]) -> tuple[list[Message], int]:
        """Those of a run's next messages that are new, and how many are now known to be in the topic.

        The others are held: these become one or the other later.
        """
        if not messages or not (self.records or self.held):
            return messages, 0
        ones = [identity(message["key"], message["value"]) for message in messages]
        there = self.records.take([one.version for one in ones])
        known = sum(there)
        if self._versions:
            known += self._hold(self._versions, messages, ones, there)
        return [message for message, is_there in zip(messages, there, strict=True) if not is_there], known

    def _hold(
        self, versions: Versions, messages: list[Message], ones: list[Identity], there: list[bool]
    ) -> int:
        """Hold what is doubtful, let go what is no longer; how many more are known, which may be negative."""
        keys = {one.key for one in ones}
        versions.fetch(keys)
        if self._held_bytes > _HELD_BYTES:
            self._held.spill()
            self._held_bytes = 0
        self._held.fetch(keys)
        held, before = self._held.memory, self.held
        for message, one, is_there in zip(messages, ones, there, strict=True):
            doubted = held.get(one.key, one.version).startswith(one.version)
            if is_there and doubted and versions.is_doubtful(one):
                self._hold_until(versions.awaited_at(one.key))
                self.held += one.key not in held
                held[one.key] = one.version + marshal.dumps(message)
                self._held_bytes += len(held[one.key])
            else:
                self.held -= held.pop(one.key, None) is not None
                versions.settle(one.key)
        return before - self.held

    def _hold_until(self, cursor: Any) -> None:
        """Not before the run is beyond `cursor`; None: not before its end."""
        if not self.held:
            self._known_at = cursor
        elif cursor is None or self._known_at is None:
            self._known_at = None
        else:
            self._known_at = max(self._known_at, cursor)

    def is_known_by(self, cursor: Any) -> bool:
        """Whether something is held, and a run that has come to `cursor` has met all that it waits for."""
        if self._versions is None or not self.held or self._known_at is None:
            return False
        stored = self._versions.as_stored(cursor)
        return stored is not None and bool(stored > self._known_at)

    def release(self) -> Iterator[list[Message]]:
        """What was held, a bounded list at a time: the run has not met what the topic says last of these."""
        for packed in self._held.drain():
            self.held -= len(packed)
            messages = [marshal.loads(one[SIZE:]) for one in packed]  # noqa: S302 - our own bytes
            if self._versions is not None:
                # Published now, so that this is what the topic says last.
                self._versions.settle_all({identity(one["key"], one["value"]).key for one in messages})
            yield messages


def versions_for(connector: BaseConnector, encoder: RecordEncoder, since: Any) -> Versions | None:
    """What tells of a source's records from `since` on whether they have changed back.

    None where that cannot be told: without a key a changed record is another one, and a State says nothing
    of single records.
    """
    if not connector.key or connector.State is not None:
        return None
    if connector.cursor is None:
        return Versions()
    try:
        return Versions(CursorValues(connector, encoder), since)
    except UnfitValueError as exc:
        _log.warning("what_changes_back_is_not_seen", why=str(exc))
        return None
