"""Import one file of connectors on its own, and say where it broke.

A folder of connectors is no package on sys.path: each file gets a module name of its own, derived from its
path, so that two folders may hold files of one name. Within its folder `from ._helpers import …` works.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import inspect
import sys
import traceback
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class _FromSource(importlib.machinery.SourceFileLoader):
    """Compiles from the text: bytecode caches go by whole seconds and would show an old file as new."""

    def get_code(self, fullname: str) -> types.CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def open_folder(folder: Path) -> str:
    """Make `folder` a package of a unique name, forget what was loaded from it before; return the name."""
    package = f"ingest_sources_{hashlib.blake2b(str(folder).encode(), digest_size=6).hexdigest()}"
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
    # Files that import each other come from the text too.
    sys.path_importer_cache[str(folder)] = importlib.machinery.FileFinder(str(folder), (_FromSource, [".py"]))
    module = types.ModuleType(package, f"Connectors in {folder}")
    module.__path__ = [str(folder)]
    sys.modules[package] = module
    return package


def load_file(path: Path, package: str) -> types.ModuleType:
    """Execute one file as a module of `package`. Raises whatever the file raises, SystemExit included."""
    name = f"{package}.{path.stem.replace('.', '_')}"
    if name in sys.modules:  # a sibling imported it
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before executing: dataclasses and pydantic look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def explain(error: BaseException, path: Path | None) -> tuple[int | None, str]:
    """(line, cause) of an import error: the line in `path` that led to it, and the error in one line.

    The line is None if the error did not pass through the file. Without a path, the deepest frame counts.
    """
    text = _text_of(error)
    cause = f"{type(error).__name__}: {text}".rstrip(": ")
    if isinstance(error, SystemExit):
        cause = f"SystemExit({error.code!r}): importing the file ends the program; importing must do no work"
    if isinstance(error, SyntaxError) and path is not None and error.filename == str(path):
        return error.lineno, cause
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if path is None or frame.filename == str(path)]
    return (lines[-1] if lines else None), cause


def _text_of(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return error.msg
    try:
        return str(error)
    except Exception as exc:  # an author's error class may be broken as well
        return f"(its text cannot be had: {type(exc).__name__})"


def class_line(cls: type) -> int | None:
    """The line where a class begins, None if it cannot be told."""
    try:
        return inspect.getsourcelines(cls)[1]
    except (OSError, TypeError):
        return None
