"""The names of all settings, as dotted keys and as variables, and the nearest known name to a wrong one."""

import difflib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

PREFIX = "INGEST_"
Path = tuple[str, ...]

PROPERTIES: Path = ("kafka", "properties")
SOURCES: Path = ("sources",)

# Variables of ours that are not settings.
CONTROL = frozenset({"INGEST_CONFIG", "INGEST_SECRETS_DIR", "INGEST_DEV_BROKER", "INGEST_DEV_CACHE"})
FOREIGN = "INGEST_TEST_"


@dataclass(frozen=True)
class Keys:
    """Every setting of a model: dotted path to its field."""

    fields: Mapping[Path, FieldInfo]

    @classmethod
    def of(cls, model: type[BaseModel]) -> "Keys":
        """Collect the settings of a model, nested models included."""
        return cls(types.MappingProxyType(dict(_walk(model, ()))))

    def known(self, path: Path) -> bool:
        """True for a setting and for what stands below `kafka.properties` and `sources.<name>`."""
        return path in self.fields or path[:2] == PROPERTIES or (path[:1] == SOURCES and len(path) >= 3)

    def secret(self, path: Path) -> bool:
        """True when the value may not be shown.

        What connectors declare is not known here, so it is not shown.
        """
        field = self.fields.get(path[:2] if path[:2] == PROPERTIES else path)
        return path[:1] == SOURCES or (field is not None and "SecretStr" in repr(field.annotation))

    def unknown(self, path: Path) -> str:
        """What could have been meant by a path that is not known."""
        if near := difflib.get_close_matches(variable(path), CONTROL, n=1, cutoff=0.8):
            return f"did you mean {near[0]}?"
        dotted = ".".join(path)
        if near := difflib.get_close_matches(
            dotted, [".".join(known) for known in self.fields], n=1, cutoff=0.5
        ):
            known = tuple(near[0].split("."))
            return f"did you mean {near[0]} ({variable(known)})?"
        return "`ingest config show` lists all settings"


def _walk(model: type[BaseModel], above: Path) -> Iterator[tuple[Path, FieldInfo]]:
    for name, field in model.model_fields.items():
        kind: Any = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _walk(kind, (*above, name))
        else:
            yield (*above, name), field


def variable(path: Path) -> str:
    """`INGEST_KAFKA__BOOTSTRAP_SERVERS` for `kafka.bootstrap_servers`."""
    return PREFIX + "__".join(part.upper().replace(".", "_") for part in path)


def path_of(name: str) -> Path:
    """The path that a variable's or secret file's name stands for."""
    return canonical(tuple(name[len(PREFIX) :].lower().split("__")))


def canonical(path: Path) -> Path:
    """One spelling for librdkafka properties: they have dots, variable names cannot."""
    if path[:2] == PROPERTIES and len(path) > 2:
        # log_level is the one property that is spelled with an underscore.
        name = ".".join(path[2:])
        return (*PROPERTIES, name if name == "log_level" else name.replace("_", "."))
    return path
