"""Settings of a source: from the values of the environment to the connector's own `Settings` model.

Where the values come from is the runtime's business; here they are a mapping of field to value, texts
included. Values are never shown in messages: they may be secrets.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices, BaseModel, ValidationError

from connectors.errors import ConnectorSettingsError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails


@dataclass(frozen=True)
class Unconfigured:
    """A source not run because required settings have no value; `str()` is the line for the log."""

    source: str
    missing: tuple[str, ...]
    examples: tuple[str, ...]

    def __str__(self) -> str:
        what = " and ".join(self.examples)
        return f"source {self.source} is not configured and will not run; to use it, set {what}"


def variable(source: str, *path: str) -> str:
    """The environment variable of a source's setting: INGEST_SOURCES__NEWS__BASE_URL."""
    return "__".join(["INGEST_SOURCES", source, *path]).upper()


def find_unconfigured(source: str, model: type[BaseModel], values: Mapping[str, Any]) -> Unconfigured | None:
    """What a source still needs before it can run: its required settings without a value; None if nothing."""
    missing = [
        name
        for name, field in model.model_fields.items()
        if field.is_required() and not _names_of(name, field) & values.keys()
    ]
    if not missing:
        return None
    variables = tuple(variable(source, name) for name in missing)
    examples = (
        _example(text, model.model_fields[name]) for text, name in zip(variables, missing, strict=True)
    )
    return Unconfigured(source, variables, tuple(examples))


def build_settings(source: str, model: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    """Validate `values`; texts that hold JSON are read where the field is no text.

    Raises ConnectorSettingsError with a line for each wrong, missing or unknown key, naming its variable. A
    key the model does not know is an error unless the model says extra="allow".
    """
    unknown = _unknown_keys(model, values)
    problems = [_problem(source, (key,), hint) for key, hint in unknown.items()]
    try:
        settings = _validate(model, {key: value for key, value in values.items() if key not in unknown})
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        waiting = find_unconfigured(source, model, values)
        if waiting and not problems and all(error["type"] == "missing" for error in errors):
            raise ConnectorSettingsError(str(waiting)) from None
        problems += [_problem(source, error["loc"], _sentence(error)) for error in errors]
        raise _settings_error(source, problems) from None  # the original would print the values
    except Exception as exc:  # the author's validator; what it says may hold the values
        kind = type(exc).__name__
        fault = f"{model.__qualname__} cannot be read: a validator raised {kind}, not ValueError"
        raise _settings_error(source, [*problems, fault]) from None
    if problems:
        raise _settings_error(source, problems)
    return settings


def masked(model: type[BaseModel], values: Mapping[str, Any], mask: str) -> dict[str, Any]:
    """The given values for showing: `mask` in place of those in which the model declares a secret.

    Also in place of all that cannot be told: keys the model does not know, values it does not take.
    """
    shown: dict[str, Any] = dict.fromkeys(values, mask)
    with contextlib.suppress(Exception):  # a validator is the author's code
        settings = _validate(model, values)
        for name, field in model.model_fields.items():
            if not _holds_secret(getattr(settings, name)):
                shown |= {key: values[key] for key in _names_of(name, field) & values.keys()}
    return shown


def _holds_secret(value: Any) -> bool:
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, Mapping):
        return any(map(_holds_secret, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(_holds_secret, value))
    return hasattr(value, "get_secret_value")


def _validate(model: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    """Environment variables carry lists and objects as JSON text: read it where the text does not fit."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as exc:
        failed = {str(error["loc"][0]) for error in exc.errors() if error["loc"]}
        decoded = {key: _decoded(values[key]) for key in failed & values.keys()}
        if all(decoded[key] is values[key] for key in decoded):
            raise
        return model.model_validate({**values, **decoded})


def _decoded(value: Any) -> Any:
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _unknown_keys(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, str]:
    """Each key that the model does not know, with a hint."""
    if model.model_config.get("extra") == "allow":
        return {}
    known = {
        name for field_name, field in model.model_fields.items() for name in _names_of(field_name, field)
    }
    return {key: f"unknown setting{_suggestion(key, known)}" for key in values if key not in known}


def _suggestion(key: str, known: set[str]) -> str:
    if not known:
        return "; the source has none"
    near = get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(sorted(known))}"


def _names_of(name: str, field: FieldInfo) -> set[str]:
    alias = field.validation_alias
    aliases = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return {name, *(text for text in aliases if isinstance(text, str))}


def _problem(source: str, location: tuple[int | str, ...], message: str) -> str:
    path = [str(part) for part in location]
    names = path[: next((i for i, part in enumerate(location) if isinstance(part, int)), len(path))]
    where = f" at {'.'.join(path[len(names) :])}" if len(names) < len(path) else ""
    return f"{variable(source, *names)}{where}: {message}"


def _sentence(error: ErrorDetails) -> str:
    return "has no value, and no default" if error["type"] == "missing" else error["msg"]


def _settings_error(source: str, problems: list[str]) -> ConnectorSettingsError:
    return ConnectorSettingsError(
        "\n".join([f"settings of source {source} do not fit:", *(f"  {p}" for p in problems)])
    )


def _example(text: str, field: FieldInfo) -> str:
    return f"{text} (for example {field.examples[0]})" if field.examples else text
