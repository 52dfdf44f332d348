"""What keeps a new Avro schema from reading the records an older one wrote, in words for an author.

The registry's verdict counts; this tells which field is meant and what to do. It also sees what registries
let pass: a changed meaning under the same Avro type (a timestamp read as a plain long, a decimal with
another scale).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Avro = Any

# What a reader of the second may make of the first, without loss of form.
_PROMOTIONS = {
    ("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double"),
    ("float", "double"), ("string", "bytes"), ("bytes", "string"),
}  # fmt: skip
_MEANINGS = ("logicalType", "precision", "scale", "unit", "format")


@dataclass(frozen=True)
class Difference:
    """One obstacle: where, what changed, what to do. `meaning` if Avro would read on without noticing."""

    path: str
    change: str
    advice: str
    meaning: bool = False

    def __str__(self) -> str:
        return f"{self.path} {self.change}; {self.advice}"


def differences(new: Avro, old: Avro) -> list[Difference]:
    """Why a reader of `new` cannot read what `old` wrote; both are parsed JSON. [] when it can."""
    name = new.get("name", "value") if isinstance(new, dict) else "value"
    return list(dict.fromkeys(_Comparison(new, old).between(new, old, str(name))))


class _Comparison:
    """Two schemas side by side; named types are found by the last part of their names."""

    def __init__(self, new: Avro, old: Avro) -> None:
        self._new: dict[str, Avro] = dict(_named(new))
        self._old: dict[str, Avro] = dict(_named(old))
        self._open: set[tuple[str, str]] = set()

    def between(self, new: Avro, old: Avro, path: str) -> Iterator[Difference]:
        new, old = _resolved(new, self._new), _resolved(old, self._old)
        if isinstance(old, list):
            for branch in old:
                yield from self._from_branch(new, branch, path)
        elif isinstance(new, list):
            yield from self._into_union(new, old, path)
        else:
            yield from self._plain(new, old, path)

    def _from_branch(self, new: Avro, branch: Avro, path: str) -> Iterator[Difference]:
        if branch == "null" and "null" not in (new if isinstance(new, list) else [new]):
            yield Difference(path, "may be null in records already published", "keep it optional (… | None)")
        else:
            yield from self.between(new, branch, path)

    def _into_union(self, new: list[Avro], old: Avro, path: str) -> Iterator[Difference]:
        attempts = [list(self.between(branch, old, path)) for branch in new]
        if all(attempts):
            # The closest branch tells most: of the same type if there is one.
            same = [found for branch, found in zip(new, attempts, strict=True) if _type(branch) == _type(old)]
            yield from same[0] if same else [_retyped(path, old, new)]

    def _plain(self, new: Avro, old: Avro, path: str) -> Iterator[Difference]:
        was, now = _type(old), _type(new)
        if was != now and (was, now) not in _PROMOTIONS:
            yield _retyped(path, old, new)
            return
        if _meaning(old) != _meaning(new):
            yield _retyped(path, old, new, meaning=True)
        if was == now == "record":
            yield from self._record(new, old, path)
        elif was == now == "enum":
            yield from _symbols(new, old, path)
        elif was == now == "array":
            yield from self.between(new["items"], old["items"], f"{path}[]")
        elif was == now == "map":
            yield from self.between(new["values"], old["values"], f"{path}[]")

    def _record(self, new: Avro, old: Avro, path: str) -> Iterator[Difference]:
        pair = (_short(new["name"]), _short(old["name"]))
        if pair[0] != pair[1] and pair[1] not in [_short(alias) for alias in new.get("aliases", [])]:
            yield Difference(
                path, f"was named {pair[1]}, and now is {pair[0]}", "keep the name of the model's class"
            )
        if pair in self._open:
            return
        self._open.add(pair)
        before = {field["name"]: field for field in old["fields"]}
        for field in new["fields"]:
            names = [field["name"], *field.get("aliases", [])]
            known = next((before[name] for name in names if name in before), None)
            if known is not None:
                yield from self.between(field["type"], known["type"], f"{path}.{field['name']}")
            elif "default" not in field:
                yield Difference(
                    f"{path}.{field['name']}",
                    "is new, and records already published have no value for it",
                    "give it a default, or make it optional (… | None = None)",
                )
        self._open.discard(pair)


def _symbols(new: Avro, old: Avro, path: str) -> Iterator[Difference]:
    gone = [symbol for symbol in old["symbols"] if symbol not in new["symbols"]]
    if gone and "default" not in new:
        yield Difference(path, f"no longer has {', '.join(gone)}", "keep the members of the enumeration")


def _retyped(path: str, old: Avro, new: Avro, *, meaning: bool = False) -> Difference:
    advice = "keep the type, or publish it as a new field under another name"
    return Difference(path, f"was {_words(old)}, and now is {_words(new)}", advice, meaning)


def _named(schema: Avro) -> Iterator[tuple[str, Avro]]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _named(branch)
    elif isinstance(schema, dict):
        if "name" in schema and schema.get("type") in ("record", "enum", "fixed"):
            yield _short(schema["name"]), schema
        for part in ("items", "values", "type"):
            yield from _named(schema.get(part))
        for field in schema.get("fields", []):
            yield from _named(field["type"])


def _resolved(schema: Avro, named: dict[str, Avro]) -> Avro:
    while isinstance(schema, dict) and isinstance(schema.get("type"), dict | list):
        schema = schema["type"]
    return named.get(_short(schema), schema) if isinstance(schema, str) else schema


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _type(schema: Avro) -> str:
    return (
        str(schema["type"])
        if isinstance(schema, dict)
        else "union"
        if isinstance(schema, list)
        else str(schema)
    )


def _meaning(schema: Avro) -> tuple[Any, ...]:
    return (
        tuple(schema.get(key) for key in _MEANINGS) if isinstance(schema, dict) else (None,) * len(_MEANINGS)
    )


def _words(schema: Avro) -> str:
    if isinstance(schema, list):
        return " or ".join(_words(branch) for branch in schema)
    told = [str(value) for value in _meaning(schema) if value is not None]
    return f"{_type(schema)} ({', '.join(told)})" if told else _type(schema)
