"""Finds the sources in folders and entry points, each on its own; sets aside what is broken, with its reason.

The producer and the command line ask here by name. Settings come in as plain mappings, paths as plain
paths: this room does not know where they are configured.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from connectors.base import BaseConnector, source_name
from connectors.configuration import Unconfigured, build_settings, find_unconfigured, variable
from connectors.declaration import check_declaration, is_base
from connectors.errors import (
    ConnectorFolderError,
    ConnectorSettingsError,
    DeclarationError,
    DuplicateSourceError,
    QuarantinedSourceError,
    UnknownSourceError,
)
from connectors.loading import class_line, explain, load_file, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

BUILTIN_SOURCES = Path(__file__).parent / "sources"
ENTRY_POINT_GROUP = "ingest.connectors"


@dataclass(frozen=True)
class Plugin:
    """A source that can run. `origin` is the path of its file, or its entry point."""

    name: str
    cls: type[BaseConnector]
    origin: str
    line: int | None = None

    def __str__(self) -> str:
        return self.origin if self.line is None else f"{self.origin}:{self.line}"


@dataclass(frozen=True)
class Quarantined:
    """A file, class or entry point that cannot run: where, and why (a sentence, maybe with lines to add).

    `names` are the names under which people may look for it, as far as they can be told.
    """

    origin: str
    line: int | None
    cause: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = self.origin if self.line is None else f"{self.origin}:{self.line}"
        return f"{place}: {self.cause}"


class ConnectorRegistry:
    """Sources by name, and what was set aside. Immutable: a changed folder means a new `discover`."""

    def __init__(self, plugins: Sequence[Plugin] = (), quarantined: Sequence[Quarantined] = ()) -> None:
        """DuplicateSourceError if two plugins have one name, naming both places."""
        sources: dict[str, Plugin] = {}
        for plugin in plugins:
            other = sources.setdefault(plugin.name, plugin)
            if other is not plugin:
                raise DuplicateSourceError(
                    f"two sources are called {plugin.name!r}: {other} and {plugin}. "
                    f"A name is a topic and a table: give one of them another `name`, or take its file away"
                )
        self.sources: Mapping[str, Plugin] = MappingProxyType(dict(sorted(sources.items())))
        self.quarantined: Sequence[Quarantined] = tuple(quarantined)

    @classmethod
    def discover(
        cls, paths: Sequence[Path] = (), *, entry_points: bool = True, builtin: bool = True
    ) -> ConnectorRegistry:
        """Load `*.py` directly in each folder, sorted, without names that begin with "_"; then entry points.

        The built-in folder comes first. A file that fails to load, and a class that breaks the contract, is
        quarantined; the others are there. Raises ConnectorFolderError for a folder that cannot be read and
        DuplicateSourceError for two sources of one name.
        """
        folders = [*([BUILTIN_SOURCES] if builtin else []), *paths]
        found: list[Plugin | Quarantined] = []
        for folder in dict.fromkeys(folder.resolve() for folder in folders):
            found += _in_folder(folder)
        if entry_points:
            for entry_point in sorted(
                metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda each: each.name
            ):
                found += _in_entry_point(entry_point)
        return cls(
            [each for each in found if isinstance(each, Plugin)],
            [each for each in found if isinstance(each, Quarantined)],
        )

    def get(self, name: str) -> Plugin:
        """The source of that name; else QuarantinedSourceError if it was set aside, or UnknownSourceError."""
        if name in self.sources:
            return self.sources[name]
        # A file may hold several: those that are called so come before those that only stand in such a file.
        called = [each for each in self.quarantined if name in each.names]
        if found := called or [each for each in self.quarantined if Path(each.origin).stem == name]:
            raise QuarantinedSourceError("\n".join(f"source {name!r} cannot run: {each}" for each in found))
        raise UnknownSourceError(f"no source is called {name!r}{self._hint(name)}")

    def unknown(self, names: Iterable[str]) -> Mapping[str, str]:
        """Those of the names that no source has, each with a sentence.

        None while anything is quarantined: the name may be in there.
        """
        return {
            name: f"no source is called {name!r}{self._hint(name)}"
            for name in names
            if name not in self.sources and not self.quarantined
        }

    def create(self, name: str, settings: Mapping[str, Any]) -> BaseConnector:
        """A connector for one run, from the values under `sources.<name>`.

        Raises UnknownSourceError, ConnectorSettingsError with a line for each setting that is wrong, or
        DeclarationError when the author's constructor raises.
        """
        plugin = self.get(name)
        values = build_settings(name, plugin.cls.Settings, settings)
        try:
            return plugin.cls(values)
        except (Exception, SystemExit) as exc:
            raise DeclarationError(
                f"{plugin}: {plugin.cls.__name__} cannot be built: {type(exc).__name__}: {exc}. "
                "The constructor takes `settings`, hands them to super().__init__ and does no work"
            ) from exc

    def unconfigured(self, settings: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Unconfigured]:
        """Sources with required settings that have no value, by name; they are listed and not run."""
        found = (
            find_unconfigured(name, plugin.cls.Settings, settings.get(name, {}))
            for name, plugin in self.sources.items()
        )
        return {each.source: each for each in found if each is not None}

    def check_settings(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        """Read the settings of all sources as a start would; ConnectorSettingsError has every problem in it.

        Settings of a name that no source has are an error too, unless files are quarantined: it may be in
        there.
        """
        problems = [f"{variable(name)}: {said}" for name, said in self.unknown(settings).items()]
        for name in self.sources.keys() - self.unconfigured(settings).keys():
            try:
                build_settings(name, self.sources[name].cls.Settings, settings.get(name, {}))
            except ConnectorSettingsError as exc:
                problems.append(str(exc))
        if problems:
            raise ConnectorSettingsError("\n".join(sorted(problems)))

    def _hint(self, name: str) -> str:
        near = get_close_matches(name, self.sources, n=1)
        return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(self.sources) or 'none'}"


def _in_folder(folder: Path) -> Iterator[Plugin | Quarantined]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".py" and not path.is_dir())
    except OSError as exc:
        raise ConnectorFolderError(
            f"folder of connectors {folder} cannot be read: {exc.strerror}. "
            f"Create it, or take it out of INGEST_CONNECTORS__PATHS"
        ) from exc
    package = open_folder(folder)
    for path in files:
        if not path.name.startswith("_"):
            yield from _in_file(path, package)


def _in_file(path: Path, package: str) -> list[Plugin | Quarantined]:
    try:
        classes = _connectors_of(load_file(path, package))
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # a file may raise anything, sys.exit() included; the others must run
        return [Quarantined(str(path), *explain(exc, path))]
    if not classes:
        hint = "add a class X(BaseConnector), or begin the file's name with an underscore"
        return [Quarantined(str(path), None, f"defines no connector: {hint}")]
    return [_checked(cls, str(path), path) for cls in classes]


def _connectors_of(module: ModuleType) -> list[type[BaseConnector]]:
    """Sources defined in the module itself: neither imported classes nor bases."""
    classes = [
        value
        for value in dict.fromkeys(value for value in vars(module).values() if isinstance(value, type))
        if issubclass(value, BaseConnector) and value.__module__ == module.__name__
    ]
    return [cls for cls in classes if not is_base(cls, classes)]


def _in_entry_point(entry_point: metadata.EntryPoint) -> Iterator[Plugin | Quarantined]:
    distribution = f" of {entry_point.dist.name}" if entry_point.dist else ""
    origin = f"entry point {entry_point.name} = {entry_point.value}{distribution}"
    try:
        cls = entry_point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as exc:
        yield Quarantined(origin, *explain(exc, None))
        return
    if isinstance(cls, type) and issubclass(cls, BaseConnector):
        yield _checked(cls, origin, None)
    else:
        yield Quarantined(origin, None, f"is {cls!r}, not a BaseConnector class")


def _checked(cls: type[BaseConnector], origin: str, path: Path | None) -> Plugin | Quarantined:
    line = class_line(cls)
    try:
        check_declaration(cls)
        return Plugin(source_name(cls), cls, origin, line)
    except KeyboardInterrupt:
        raise
    except DeclarationError as exc:
        return Quarantined(origin, line, str(exc), _names(cls))
    except BaseException as exc:  # properties of a plugin are code of the plugin
        deepest, cause = explain(exc, path)
        return Quarantined(origin, deepest or line, f"{cls.__name__} cannot be checked: {cause}", _names(cls))


def _names(cls: type[BaseConnector]) -> tuple[str, ...]:
    """How people may call a broken class: its source's name, if it can be had, and the class's own."""
    name = cls.name if isinstance(cls.name, str) else cls.__name__.lower()
    return tuple(dict.fromkeys((name, cls.__name__, cls.__name__.lower())))
