"""From raw items to records: a slice at a time where the connector allows it, each refused item on its own.

Connectors that do not override `transform` are validated by pydantic a slice at a time. An overridden
`transform` is called in the generator's thread: a connector's code runs in one thread, and a blocking one
holds up only itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, TypeAdapter

from connectors.base import BaseConnector
from producer.dead_letters import Rejected


@dataclass
class Sorted:
    """One slice: `items[i]` became `records[i]`; the others were rejected."""

    items: Sequence[Any]
    records: list[BaseModel]
    rejected: list[Rejected] = field(default_factory=list)


class Intake:
    """Opens one connector's items and sorts them into records and rejects."""

    def __init__(self, connector: BaseConnector) -> None:
        self._connector = connector
        self._own_transform = type(connector).transform is not BaseConnector.transform
        self._slice: TypeAdapter[list[BaseModel]] = TypeAdapter(list[connector.Record])  # type: ignore[name-defined]

    def open(self, since: Any) -> Iterable[Any]:
        """The connector's items, for its own thread; with its own `transform`, pairs of item and result."""
        items = self._connector.extract(since)
        # None and other garbage pass as they are: the thread that iterates says what is wrong with them.
        return self._transformed(items) if self._own_transform and isinstance(items, Iterator) else items

    def sort(self, part: list[Any]) -> Sorted:
        """Records and rejects of one slice of what `open` gave."""
        if self._own_transform:
            return _sort_pairs([pair if isinstance(pair, _Pair) else self._pair(pair) for pair in part])
        try:
            return Sorted(part, self._slice.validate_python(part))
        except Exception:
            return _sort_pairs([self._validated(item) for item in part])

    def _transformed(self, items: Iterator[Any]) -> Iterator["_Pair"]:
        try:
            for item in items:
                yield self._pair(item)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    def _pair(self, item: Any) -> "_Pair":
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


def _sort_pairs(pairs: list[_Pair]) -> Sorted:
    kept = Sorted([], [])
    items: list[Any] = []
    for pair in pairs:
        if isinstance(pair.result, Rejected):
            kept.rejected.append(pair.result)
        else:
            items.append(pair.item)
            kept.records.append(pair.result)
    kept.items = items
    return kept
