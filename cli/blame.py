"""Tells an error of an author's code alike in `ingest run` and `connectors try`: words, and their place."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.base import BaseConnector
from connectors.errors import ConnectorError
from connectors.loading import explain


@dataclass(frozen=True)
class Blame:
    """`words` say what went wrong; `file` and `line` are the last place in the author's file."""

    words: str
    file: str
    line: int | None

    @property
    def place(self) -> str:
        """`file:line`, or the file where the line is not known."""
        return self.file if self.line is None else f"{self.file}:{self.line}"


def blame(error: BaseException, cls: type[BaseConnector]) -> Blame:
    """What `error`, raised by or because of a connector of class `cls`, is and where it comes from."""
    file = Path(inspect.getfile(cls))
    line, words = explain(error, file)
    if isinstance(error, SystemExit):
        words = f"SystemExit({error.code!r}) would end the program; raise another error"
    elif isinstance(error, ConnectorError):
        words = str(error)
    return Blame(words, str(file), line or _line_of_extract(cls, file))


def check_items(items: Any) -> Iterable[Any]:
    """What `extract` returned, if it can be read item by item; TypeError as the producer's otherwise."""
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise TypeError(f"extract must yield its items one by one, it returned {type(items).__name__}")
    return items


def _line_of_extract(cls: type[BaseConnector], file: Path) -> int | None:
    code = getattr(inspect.unwrap(cls.extract), "__code__", None)
    return code.co_firstlineno if code is not None and code.co_filename == str(file) else None
