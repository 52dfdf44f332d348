"""Class members that were meant for the contract and are misspelt: `kye = "id"` would be ignored in silence.

A member counts as misspelt if it is nearly the name of a declared one that the class leaves out, and the
author's files never mention it again: helpers of one's own are used somewhere.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.base import BaseConnector

if TYPE_CHECKING:
    from collections.abc import Iterator

DECLARED = (
    "name",
    "Record",
    "Settings",
    "extract",
    "transform",
    "schedule",
    "rate_limit",
    "request_limit",
    "upstream",
    "key",
    "event_time",
    "sort",
    "mode",
    "cursor",
    "ordered",
    "lookback",
    "slice",
    "State",
)
# `port` and `sort` are at 0.75, `kye` and `key` (the same letters) at 0.67.
_NEAR = 0.8


def misspelt_member(cls: type[BaseConnector]) -> tuple[str, str] | None:
    """The first member that is read by nothing, and what it was meant to be; None if there is none."""
    own = [each for each in cls.__mro__ if not issubclass(BaseConnector, each)]
    given = {name for each in own for name in vars(each)}
    suspects = [
        (name, meant)
        for name in vars(cls)
        if not name.startswith("_") and not hasattr(BaseConnector, name)
        if (meant := _nearest(name, given)) is not None and not _inherited(cls, name)
    ]
    if not suspects:
        return None
    used = {word for each in own for word in _words(each)}
    return next((each for each in suspects if each[0] not in used), None)


def _nearest(name: str, given: set[str]) -> str | None:
    if name in DECLARED:
        return None
    return next((each for each in DECLARED if each not in given and _is_near(name, each)), None)


def _is_near(name: str, other: str) -> bool:
    return sorted(name) == sorted(other) or SequenceMatcher(None, name, other).ratio() >= _NEAR


def _inherited(cls: type, name: str) -> bool:
    return any(name in vars(base) for base in cls.__mro__[1:])


def _words(cls: type) -> Iterator[str]:
    """What a class's file reads: variables, attributes, texts (getattr). All members, if it has no file."""
    with contextlib.suppress(OSError, TypeError, SyntaxError, ValueError):
        for node in ast.walk(ast.parse(Path(inspect.getfile(cls)).read_bytes())):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                yield node.id
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
        return
    yield from vars(cls)
