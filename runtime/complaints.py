"""Turns pydantic's findings into sentences that name the variable, the place, the fault.

Never a secret's value.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from runtime.keys import PREFIX, PROPERTIES, Keys, Path, variable
from runtime.layers import Entry

_SENTENCES = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "literal_error": "must be {expected}",
    "path_not_file": "must be a file that is there",
    "byte_size": "must be a number of bytes, such as 67108864 or 64MiB",
    "byte_size_unit": "must be a number of bytes, such as 67108864 or 64MiB",
    "dict_type": "must be a table of names and values",
    "model_type": "must be a table of names and values",
}


def explain(exc: ValidationError, entries: Mapping[Path, Entry], keys: Keys) -> list[str]:
    """One sentence per finding. `entries` tells where the refused values stand, `keys` which are secret."""
    found = exc.errors(include_url=False)
    return list(dict.fromkeys(_sentence(error, entries, keys) for error in found))


def _sentence(error: ErrorDetails, entries: Mapping[Path, Entry], keys: Keys) -> str:
    path = tuple(str(part) for part in error["loc"])
    # What pydantic adds below a setting: the member of a union, the index in a list, "[key]".
    while len(path) > 1 and path not in entries and path not in keys.fields:
        path = path[:-1]
    return f"{_name(path, entries)}: {_fault(error, path)}{_got(error, path, keys)}"


def _name(path: Path, entries: Mapping[Path, Entry]) -> str:
    entry = entries.get(path)
    if entry is None:
        return variable(path)
    return entry.written if entry.written.startswith(PREFIX) else f"{variable(path)} ({entry.written})"


def _fault(error: ErrorDetails, path: Path) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if path[:2] == PROPERTIES and len(path) > 2:
        return "must be text, a number, true or false"
    template = _SENTENCES.get(error["type"])
    return template.format(**context) if template else error["msg"][:1].lower() + error["msg"][1:]


def _got(error: ErrorDetails, path: Path, keys: Keys) -> str:
    shown = isinstance(error["input"], str | int | float) and not keys.secret(path)
    return f", got {error['input']}" if shown and error["type"] != "value_error" else ""
