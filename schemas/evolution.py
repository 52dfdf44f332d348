"""What may not change from one version of a source's schema to the next, although readers could follow.

Rows are in a table by then, made and sorted for the former version, and ids were given by its key. What
readers cannot follow is in `schemas.differences`.
"""

from collections.abc import Iterator
from typing import Any

Avro = Any

_WORDS = {
    "boolean": "bool", "int": "int", "long": "int", "float": "float", "double": "float",
    "bytes": "bytes", "string": "str", "date": "date", "time-micros": "time",
    "timestamp-micros": "AwareDatetime", "local-timestamp-micros": "NaiveDatetime",
    "decimal": "Decimal", "uuid": "UUID",
}  # fmt: skip
_DECLARED: tuple[tuple[str, Any, str], ...] = (
    ("key", [], "it says which records are the same, and ids that were published stay"),
    ("sort", [], "the table stays sorted as it was made until it is rebuilt, which is not there yet"),
    ("mode", "append", "the table stays of its kind until it is rebuilt, which is not there yet"),
)


def obstacles(new: Avro, latest: Avro) -> list[str]:
    """Why `new` may not follow the version `latest`, one line each; both are parsed JSON. [] when it may."""
    if not (isinstance(new, dict) and isinstance(latest, dict)):
        return []
    return [*_declarations(new, latest), *_removals(new, latest)]


def _declarations(new: Avro, latest: Avro) -> Iterator[str]:
    was, now = latest.get("ingest"), new.get("ingest")
    if not isinstance(was, dict):
        # Registered by something else: nothing was promised.
        return
    now = now if isinstance(now, dict) else {}
    for name, unsaid, why in _DECLARED:
        before, after = was.get(name, unsaid), now.get(name, unsaid)
        if before != after:
            yield (
                f"{name} was {_told(before)}, and now is {_told(after)}; {why}: "
                f"keep {name} = {_told(before)}, or publish under another source name"
            )


def _removals(new: Avro, latest: Avro) -> Iterator[str]:
    kept = {field["name"] for field in new.get("fields", [])}
    for field in latest.get("fields", []):
        name = field["name"]
        if name not in kept and not _may_be_absent(field):
            yield (
                f"{latest.get('name', 'Record')}.{name} is gone, and rows would show a value that no record "
                f"has; keep it as optional (`{name}: {_word(field['type'])} | None = None`)"
            )


def _may_be_absent(field: Avro) -> bool:
    """Whether a row can say that the record has no such value: NULL is the default."""
    return isinstance(field["type"], list) and "null" in field["type"] and field.get("default", "") is None


def _word(kind: Avro) -> str:
    """A type as an author declares it, where there is one word for it."""
    if isinstance(kind, list):
        return " | ".join(_word(branch) for branch in kind if branch != "null")
    if isinstance(kind, dict):
        kind = kind.get("logicalType", kind["type"])
    return _WORDS.get(str(kind), "…")


def _told(declared: Any) -> str:
    return f"({', '.join(map(str, declared))})" if isinstance(declared, list) else repr(declared)
