"""The registry's data: one JSON file, replaced as a whole and on disk before a request is answered."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from devstack.locks import FileLock
from devstack.registry.compatibility import Level
from devstack.registry.contents import Contents, Version
from devstack.registry.errors import StoreError
from devstack.registry.schemas import Reference, Schema

_LAYOUT = 1


class Store:
    """The file `registry.json` in a folder that belongs to one process at a time. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "registry.json"
        self._lock = FileLock(folder / "lock")
        self.contents = Contents()

    def __enter__(self) -> Self:
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        if not self._lock.acquire():
            raise StoreError(
                f"registry: process {self._lock.holder} works in {folder}. End it, or give another folder "
                "with --data."
            )
        self.reload()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def reload(self) -> None:
        """Take the contents from the file again, as they were saved last."""
        self.contents = self._read() if self._path.exists() else Contents()

    def _read(self) -> Contents:
        try:
            return _from_json(json.loads(self._path.read_text("utf-8")))
        except (ValueError, KeyError, TypeError) as exc:
            raise StoreError(
                f"registry: {self._path} cannot be read: {exc!r}. Put a sound copy in its place, or give "
                "another folder with --data."
            ) from exc

    def save(self) -> None:
        """Write the contents; when this returns they survive a crash of the machine."""
        new = self._path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(_to_json(self.contents), file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        # The new name lasts only when the folder is on disk as well.
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _to_json(contents: Contents) -> dict[str, Any]:
    return {
        "layout": _LAYOUT,
        "next_id": contents.next_id,
        "schemas": {
            str(number): {
                "type": schema.type,
                "text": schema.text,
                "references": [[item.name, item.subject, item.version] for item in schema.references],
            }
            for number, schema in contents.schemas.items()
        },
        "subjects": {
            name: [[version.number, version.schema_id, version.deleted] for version in versions]
            for name, versions in contents.subjects.items()
        },
        "last_numbers": contents.last_numbers,
        "level": contents.level,
        "levels": contents.levels,
    }


def _from_json(data: Mapping[str, Any]) -> Contents:
    if data["layout"] != _LAYOUT:
        raise ValueError(f"layout {data['layout']} is not {_LAYOUT}")
    return Contents(
        next_id=data["next_id"],
        schemas={
            int(number): Schema(
                item["type"], item["text"], tuple(Reference(*ref) for ref in item["references"])
            )
            for number, item in data["schemas"].items()
        },
        subjects={
            name: [Version(*version) for version in versions] for name, versions in data["subjects"].items()
        },
        last_numbers=dict(data["last_numbers"]),
        level=Level(data["level"]),
        levels={name: Level(level) for name, level in data["levels"].items()},
    )
