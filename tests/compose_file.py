"""Reads docker-compose.yml as compose does, variables put in, for tests that must agree with it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\})")


def load_compose(variables: Mapping[str, str] | None = None, *, path: Path = COMPOSE) -> dict[str, Any]:
    """Return the file's content with `${NAME:-default}` replaced from `variables`, else by the default.

    Other forms of variables are not used in our file; they raise ValueError.
    """
    loaded = yaml.safe_load(path.read_text())
    filled: dict[str, Any] = _fill(loaded, variables or {})
    return filled


def variable_names(path: Path = COMPOSE) -> set[str]:
    """Return the names of all `${…}` in the file."""
    return {found["name"] for found in _VARIABLE.finditer(path.read_text()) if found["name"]}


def _fill(node: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _fill(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(item, variables) for item in node]
    return _interpolate(node, variables) if isinstance(node, str) else node


def _interpolate(text: str, variables: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        if found["default"] is None:
            raise ValueError(f"docker-compose.yml: {found[0]} has no default")
        return variables.get(found["name"]) or found["default"]

    return _VARIABLE.sub(value, text)
