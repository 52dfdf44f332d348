"""The highest cursor value among records that were published."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from pydantic import BaseModel, JsonValue

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
        self.value: Any = None if self._field is None else connector.parse_since(stored)

    def see(self, records: Sequence[BaseModel]) -> None:
        """Take note of published records."""
        if self._field is None or not records:
            return
        values: Iterable[Any] = map(attrgetter(self._field), records)
        try:
            self.value = _highest(self.value, values)
        except TypeError:
            # An optional cursor field: None compares with nothing. Rare, so it is not looked for in every
            # record.
            present = [value for record in records if (value := getattr(record, self._field)) is not None]
            self.value = self._compared(present)

    def as_json(self) -> JsonValue:
        """The value as it is stored."""
        if self.value is None:
            return None
        stored: JsonValue = self._connector.cursor_type().dump_python(self.value, mode="json")
        return stored

    def _compared(self, values: Sequence[Any]) -> Any:
        try:
            return _highest(self.value, values)
        except TypeError as exc:
            raise CursorError(
                f"values of the cursor field `{self._field}` do not compare with each other: {exc}. "
                "Give the field one type, for datetimes AwareDatetime."
            ) from exc


def _highest(value: Any, values: Iterable[Any]) -> Any:
    if value is None:
        return max(values, default=None)
    return max(value, max(values, default=value))
