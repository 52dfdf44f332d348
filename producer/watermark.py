"""The highest cursor value among records that were published."""

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from connectors.base import BaseConnector
from producer.errors import CursorError


class Watermark:
    """Follows one connector's cursor field; for a connector without cursor it stays None.

    Starts at the stored cursor, so that a run asked for an older `since` never moves it back.
    """

    def __init__(self, connector: type[BaseConnector], stored: JsonValue) -> None:
        """Raises connectors' SinceError if `stored` is no value of the cursor's type."""
        self._connector = connector
        self._field = connector.cursor
        self._stored: Any = connector.parse_since(stored) if connector.has_cursor() else None
        self.value: Any = self._stored

    def covers(self, since: Any) -> bool:
        """Whether nothing was left out between the value and `since`, where a run begins."""
        if self._field is None and since is not None:
            return bool(since == self.value)
        try:
            return since is None or (self.value is not None and bool(since <= self.value))
        except TypeError:
            return False

    def see(self, values: Sequence[Any]) -> None:
        """Take note of the cursor values of published records; those of an optional field may be None."""
        if not values:
            return
        try:
            self.value = _highest(self.value, values)
        except TypeError:
            # None compares with nothing. Rare, so it is not looked for in every record.
            self.value = self._compared([value for value in values if value is not None], self.value)

    def passes(self, cursor: Any) -> bool:
        """Whether `cursor` is not before the stored one; a State has no order and always passes."""
        return self._field is None or self._stored is None or bool(cursor >= self._stored)

    def highest(self, stored: JsonValue) -> JsonValue:
        """The higher one of `stored` and the value; None for a State, which has no order."""
        if self._field is None:
            return None
        high = self._connector.parse_since(stored)
        return self.dump(high if self.value is None else self._compared([self.value], high))

    def reach(self, cursor: Any) -> None:
        """The connector has said that it can go on from `cursor`."""
        if self._field is None:
            # A State has no order: the latest one counts.
            self.value = cursor
        else:
            self.see([cursor])

    def as_json(self) -> JsonValue:
        """The value as it is stored."""
        return self.dump(self.value)

    def dump(self, value: Any) -> JsonValue:
        """Any value of the cursor's type as it is stored."""
        if value is None:
            return None
        stored: JsonValue = self._connector.cursor_type().dump_python(value, mode="json")
        return stored

    def _compared(self, values: Sequence[Any], value: Any) -> Any:
        try:
            return _highest(value, values)
        except TypeError as exc:
            raise CursorError(
                f"values of the cursor field `{self._field}` do not compare with each other: {exc}. "
                "Give the field one type, for datetimes AwareDatetime."
            ) from exc


def _highest(value: Any, values: Sequence[Any]) -> Any:
    if value is None:
        return max(values, default=None)
    return max(value, max(values, default=value))
