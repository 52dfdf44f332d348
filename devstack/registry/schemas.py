"""What a schema is: its type, its text, what it refers to, and when two of them are the same."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import avro.errors
import avro.name
import avro.schema

from devstack.registry.errors import ApiError, invalid_schema

AVRO = "AVRO"
TYPES = ("JSON", "PROTOBUF", AVRO)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Reference:
    """A schema that another one uses by name: the version of a subject."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True)
class Schema:
    """A schema as it was sent. `text` is JSON for Avro and JSON Schema, an IDL for Protobuf."""

    type: str
    text: str
    references: tuple[Reference, ...] = ()

    @cached_property
    def identity(self) -> str:
        """Equal for schemas that are the same but for white space, order of attributes, and the like."""
        references = [[item.name, item.subject, item.version] for item in self.references]
        return json.dumps([self.type, _canonical(self), references], sort_keys=True)


Resolve = Callable[[Reference], Schema]


def checked(schema: Schema, resolve: Resolve) -> Schema:
    """Return the schema if it is valid. Raises ApiError 42201 with the reason."""
    if schema.type not in TYPES:
        raise invalid_schema(f"unknown schema type {schema.type!r}; known are {', '.join(TYPES)}")
    if not schema.text.strip():
        raise invalid_schema("the schema is empty")
    if schema.type == AVRO:
        avro_schema(schema, resolve)
    elif schema.type == "JSON":
        _loaded(schema.text)
    return schema


def avro_schema(schema: Schema, resolve: Resolve) -> Any:
    """Return the `avro` package's schema object. Raises ApiError 42201."""
    names = avro.name.Names()
    try:
        for text in _with_referenced(schema, resolve):
            parsed = avro.schema.make_avsc_object(_loaded(text), names)
    except ApiError:
        raise
    # The package lets errors of its inner workings through for input it did not think of.
    except Exception as exc:
        raise invalid_schema(f"{type(exc).__name__}: {exc}") from exc
    _check_field_names(parsed)
    return parsed


def _check_field_names(schema: Any) -> None:
    """Raise for a field name that Avro does not allow: the package lets any pass, others would not."""
    seen: set[int] = set()
    waiting = [schema]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        for record_field in getattr(current, "fields", ()):
            if not _NAME.fullmatch(record_field.name):
                raise invalid_schema(
                    f"field name {record_field.name!r} is not letters, digits and underscores"
                )
            waiting.append(record_field.type)
        waiting += getattr(current, "schemas", ())
        waiting += [getattr(current, part) for part in ("items", "values") if hasattr(current, part)]


def _with_referenced(schema: Schema, resolve: Resolve) -> Sequence[str]:
    """The texts of all schemas it needs, each after what it needs itself, its own last."""
    ordered: dict[str, None] = {}

    def visit(current: Schema, path: tuple[str, ...]) -> None:
        if current.text in path:
            raise invalid_schema("its references form a circle")
        for reference in current.references:
            visit(resolve(reference), (*path, current.text))
        ordered[current.text] = None

    visit(schema, ())
    return list(ordered)


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        # Avro allows the bare name of a primitive type.
        if text.strip().isalpha():
            return text.strip()
        raise invalid_schema(f"not JSON: {exc}") from exc
    except RecursionError as exc:
        raise invalid_schema("nested too deeply") from exc


def _canonical(schema: Schema) -> Any:
    if schema.type == AVRO:
        return _collapsed(_loaded(schema.text))
    if schema.type == "JSON":
        return _loaded(schema.text)
    return "\n".join(line.strip() for line in schema.text.splitlines() if line.strip())


def _collapsed(part: Any) -> Any:
    """Write {"type": "string"} as "string" where a type stands; the two mean the same."""
    if isinstance(part, list):
        return [_collapsed(item) for item in part]
    if not isinstance(part, Mapping):
        return part
    if set(part) == {"type"}:
        return _collapsed(part["type"])
    typed = ("type", "items", "values")
    collapsed = {key: _collapsed(value) if key in typed else value for key, value in part.items()}
    if isinstance(part.get("fields"), list):
        collapsed["fields"] = [_collapsed_field(field) for field in part["fields"]]
    return collapsed


def _collapsed_field(field: Any) -> Any:
    return {**field, "type": _collapsed(field.get("type"))} if isinstance(field, Mapping) else field
