"""Whether a schema may follow others, by the levels that Confluent's registry knows."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from devstack.registry.errors import ApiError
from devstack.registry.schemas import AVRO, Resolve, Schema, avro_schema


class Level(StrEnum):
    """What a new schema of a subject owes to the ones before it."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def transitive(self) -> bool:
        """Whether all earlier schemas count, not just the last."""
        return self.value.endswith("_TRANSITIVE")

    @property
    def reads_old(self) -> bool:
        """Whether the new schema must read what the old ones wrote."""
        return self.value.startswith(("BACKWARD", "FULL"))

    @property
    def read_by_old(self) -> bool:
        """Whether the old schemas must read what the new one writes."""
        return self.value.startswith(("FORWARD", "FULL"))


def parse_level(text: str | None) -> Level:
    """Return the level of this name, in any case. Raises ApiError 42203."""
    try:
        return Level((text or "").upper())
    except ValueError as exc:
        names = ", ".join(level.value.lower() for level in Level)
        raise ApiError(42203, f"Invalid compatibility level {text!r}. Valid values are {names}") from exc


def differences(new: Schema, earlier: Sequence[Schema], level: Level, resolve: Resolve) -> list[str]:
    """Return what is in the way of `new` after `earlier` (oldest first); empty when nothing is.

    Schemas that are not Avro are taken as compatible with those of their own type.
    """
    if level is Level.NONE or not earlier:
        return []
    found: list[str] = []
    for old in earlier if level.transitive else earlier[-1:]:
        if old.type != new.type:
            found.append(f"{{errorType:'SCHEMA_TYPE_MISMATCH', description:'{old.type} became {new.type}'}}")
        elif new.type == AVRO:
            found += _avro_differences(new, old, level, resolve)
    return list(dict.fromkeys(found))


def _avro_differences(new: Schema, old: Schema, level: Level, resolve: Resolve) -> list[str]:
    new_schema, old_schema = avro_schema(new, resolve), avro_schema(old, resolve)
    found: list[str] = []
    if level.reads_old:
        found += _unreadable(new_schema, old_schema, "new", "old")
    if level.read_by_old:
        found += _unreadable(old_schema, new_schema, "old", "new")
    return found


def _unreadable(reader: Any, writer: Any, reader_name: str, writer_name: str) -> list[str]:
    checker: Any = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(reader, writer)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    types = ", ".join(dict.fromkeys(item.value.upper() for item in result.incompatibilities))
    places = ", ".join(sorted(place for place in result.locations if place != "/")) or "/"
    return [
        f"{{errorType:'{types}', description:'the {reader_name} schema cannot read what the {writer_name} "
        f"schema writes at {places}: {', '.join(sorted(result.messages))}'}}"
    ]
