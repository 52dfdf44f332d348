"""A file by which another process finds the class under test: the source `checked`, without its limits."""

from __future__ import annotations

import importlib
import inspect
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import DeclarationError
from connectors.loading import load_file, open_folder

if TYPE_CHECKING:
    from types import ModuleType

    from connectors.base import BaseConnector

NAME = "checked"

# The name is one that no other source has, whatever else is discovered. Limits are counted across runs, and a
# matrix makes more of them within a minute than a schedule does in a day.
_TEXT = '''"""Stands in for {qualname} of {file}."""

from connectors.testing.standin import find_class


class Checked(find_class({module!r}, {file!r}, {qualname!r})):
    name = {name!r}
    upstream = None
    rate_limit = request_limit = ()
'''


def write_standin(connector: type[BaseConnector], folder: Path) -> None:
    """Write the file of the source `checked` to `folder`; DeclarationError if no file defines the class."""
    module, qualname = connector.__module__, connector.__qualname__
    if "<locals>" in qualname:
        raise DeclarationError(
            f"{qualname} is defined within a function, where no other process finds it: "
            "define the class at the top of a file"
        )
    try:
        file = inspect.getfile(connector)
    except (OSError, TypeError) as exc:
        raise DeclarationError(
            f"{qualname} comes from no file, so no other process finds it: define the class in a file"
        ) from exc
    text = _TEXT.format(module=module, file=str(Path(file).resolve()), qualname=qualname, name=NAME)
    (folder / f"{NAME}.py").write_text(text, encoding="utf-8")


def find_class(module: str, file: str, qualname: str) -> type[BaseConnector]:
    """The class of that name: in the module if that is the file, else in the file loaded by itself."""
    found: type[BaseConnector] = reduce(getattr, qualname.split("."), _module(module, Path(file)))  # type: ignore[assignment]
    return found


def _module(name: str, file: Path) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except ImportError:
        return load_file(file, open_folder(file.parent))
    same = Path(getattr(module, "__file__", None) or "").resolve() == file
    return module if same else load_file(file, open_folder(file.parent))
