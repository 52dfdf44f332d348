"""From raw items to messages: a slice at a time where the connector allows it, each refused item on its own.

Connectors that do not override `transform` are validated by pydantic a slice at a time. An overridden
`transform` is called in the generator's thread, before slices are cut: a connector's code runs in one thread,
and a blocking one holds up only itself.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any

from pydantic import BaseModel, TypeAdapter

from connectors.base import BaseConnector
from connectors.checkpoint import Checkpoint
from producer.backfill import Backfill, Window
from producer.dead_letters import Rejected
from schemas.encoder import RecordEncoder
from schemas.errors import UnencodableRecordError

# What Python needs for an item, a message and their parts.
_OVERHEAD = 500
_VALUE = itemgetter("value")


@dataclass
class Batch:
    """One slice of `extracted` items: `items[i]` became `messages[i]`, the others were rejected.

    `size` are the bytes of all values. `cursors[i]` is the value of its record's cursor field; without one
    the list stays empty. The records themselves are not kept: they are freed where they were made, while they
    are in the processor's cache. `checkpoints` are the places at which the connector said that it can go on:
    how many messages and how many rejected items come before, and the cursor. `left_out` items were beyond
    the bounds of a backfill; they do not count as extracted.
    """

    extracted: int
    items: list[Any] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    cursors: list[Any] = field(default_factory=list)
    checkpoints: list[tuple[int, int, Any]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    size: int = 0
    left_out: int = 0

    @property
    def weight(self) -> int:
        """Bytes that it takes, about."""
        return self.size + _OVERHEAD * (self.extracted + self.left_out + len(self.checkpoints))

    def measure(self) -> None:
        """Set `size`."""
        self.size = sum(map(len, map(_VALUE, self.messages)))


class Intake:
    """Opens one connector's items for one run, and makes slices of them into batches."""

    def __init__(
        self,
        connector: BaseConnector,
        encoder: RecordEncoder,
        *,
        run_id: str,
        now: Callable[[], datetime],
        backfill: Backfill | None = None,
    ) -> None:
        self._connector = connector
        self._encoder = encoder
        self._run_id = run_id
        self._now = now
        self._cursor_of = attrgetter(connector.cursor) if connector.cursor is not None else None
        self._backfill = backfill
        self._own_transform = type(connector).transform is not BaseConnector.transform
        # What is within a backfill's bounds is known of records only, one at a time.
        self._in_pairs = self._own_transform or backfill is not None
        self._slice: TypeAdapter[list[BaseModel]] = TypeAdapter(list[connector.Record])  # type: ignore[name-defined]

    def open(self, since: Any) -> Iterable[Any]:
        """The connector's items, for its own thread; with its own `transform`, pairs of item and result.

        In a backfill they are those of its slices, and a Checkpoint behind each. Raises TypeError if
        `extract` gave nothing to iterate, or a text or dict in place of items.
        """
        if self._backfill is not None:
            return self._slices(self._backfill)
        return self._pairs(self._extracted(since)) if self._in_pairs else self._extracted(since)

    def _extracted(self, since: Any, **until: Any) -> Iterable[Any]:
        items: Any = self._connector.extract(since, **until)
        if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Iterable):
            raise TypeError(f"extract must yield its items one by one, it returned {type(items).__name__}")
        return items

    def _slices(self, backfill: Backfill) -> Iterator["_Pair | Checkpoint"]:
        for window in backfill.windows():
            until = {"until": window.until} if self._connector.takes_until() else {}
            with closing(self._pairs(self._extracted(window.since, **until))) as pairs:
                yield from self._within(window, pairs)
            yield Checkpoint(window.until)

    def _within(
        self, window: Window, pairs: Iterable["_Pair | Checkpoint"]
    ) -> Iterator["_Pair | Checkpoint"]:
        """What belongs to the window; ends as soon as the connector has come beyond it for good."""
        for pair in pairs:
            place = self._place(window, pair)
            if place > 0 and (isinstance(pair, Checkpoint) or self._connector.ordered):
                return
            if place == 0:
                yield pair
            elif not isinstance(pair, Checkpoint):
                # Not simply dropped: a run can be stopped at an item only.
                yield _LEFT_OUT

    def _place(self, window: Window, pair: "_Pair | Checkpoint") -> int:
        if isinstance(pair, Checkpoint):
            return window.place(self._connector.parse_since(pair.cursor))
        if isinstance(pair.result, Rejected):
            # Nobody knows its cursor.
            return 0
        assert self._cursor_of is not None
        return window.place(self._cursor_of(pair.result))

    def batch(self, part: list[Any]) -> Batch:
        """Messages and rejects of one slice of what `open` gave; raises nothing for any item.

        SinceError for a Checkpoint whose cursor is no value of the connector's cursor.
        """
        batch = Batch(0)
        if self._backfill is not None:
            whole, part = len(part), [item for item in part if item is not _LEFT_OUT]
            batch.left_out = whole - len(part)
        if Checkpoint not in set(map(type, part)):
            self._add(part, batch)
        else:
            self._add_pieces(part, batch)
        batch.measure()
        return batch

    def _add_pieces(self, part: list[Any], batch: Batch) -> None:
        """The items before each Checkpoint, its cursor, and the items after the last one."""
        start = 0
        for place, item in enumerate(part):
            if isinstance(item, Checkpoint):
                self._add(part[start:place], batch)
                cursor = self._connector.parse_since(item.cursor)
                batch.checkpoints.append((len(batch.messages), len(batch.rejected), cursor))
                start = place + 1
        self._add(part[start:], batch)

    def _add(self, part: list[Any], batch: Batch) -> None:
        batch.extracted += len(part)
        items, records = self._records(part, batch.rejected)
        while records:
            encoded, error = self._encoded(records)
            count = len(encoded)
            batch.messages += encoded
            batch.items += items[:count]
            if self._cursor_of is not None:
                batch.cursors += map(self._cursor_of, records[:count])
            if error is None:
                break
            batch.rejected.append(Rejected.for_error(items[count], "encoding", error))
            items, records = items[count + 1 :], records[count + 1 :]

    def _records(self, part: list[Any], rejected: list[Rejected]) -> tuple[list[Any], list[BaseModel]]:
        """The items that are records, and the records; adds the others to `rejected`."""
        if not self._in_pairs:
            try:
                return part, self._slice.validate_python(part)
            except Exception:
                part = [self._validated(item) for item in part]
        rejected += [pair.result for pair in part if isinstance(pair.result, Rejected)]
        kept = [(pair.item, pair.result) for pair in part if not isinstance(pair.result, Rejected)]
        return [item for item, _ in kept], [record for _, record in kept]

    def _encoded(
        self, records: Sequence[BaseModel]
    ) -> tuple[Sequence[dict[str, bytes]], UnencodableRecordError | None]:
        try:
            return self._encoder.encode(records, extracted_at=self._now(), run_id=self._run_id), None
        except UnencodableRecordError as exc:
            return exc.encoded, exc

    def _pairs(self, items: Iterable[Any]) -> Generator["_Pair | Checkpoint", None, None]:
        try:
            for item in items:
                yield self._pair(item)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    def _pair(self, item: Any) -> "_Pair | Checkpoint":
        if isinstance(item, Checkpoint):
            return item
        return self._transformed(item) if self._own_transform else self._validated(item)

    def _transformed(self, item: Any) -> "_Pair":
        try:
            record = self._connector.transform(item)
        except Exception as exc:
            return _Pair(item, Rejected.for_error(item, "transform", exc))
        if isinstance(record, self._connector.Record):
            return _Pair(item, record)
        what = f"transform returned {type(record).__name__} instead of {self._connector.Record.__name__}"
        return _Pair(item, Rejected(item, "transform", "TypeError", what))

    def _validated(self, item: Any) -> "_Pair":
        try:
            return _Pair(item, self._connector.Record.model_validate(item))
        except Exception as exc:
            return _Pair(item, Rejected.for_error(item, "validation", exc))


@dataclass(frozen=True, slots=True)
class _Pair:
    item: Any
    result: BaseModel | Rejected


_LEFT_OUT = _Pair(None, Rejected(None, "validation", "", ""))
