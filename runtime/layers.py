"""Where settings come from: overrides, environment, secret files, a TOML file. Reads and names them.

Checks no value.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as File
from typing import Any

from runtime.keys import CONTROL, FOREIGN, PREFIX, PROPERTIES, SOURCES, Keys, Path, canonical, path_of

DEFAULT_SECRETS_DIR = File("/run/secrets")

# Kubernetes announces every service of a namespace to every container: a service called `ingest-console`
# gives INGEST_CONSOLE_PORT=tcp://…, which nobody set and nobody can remove.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?$")


@dataclass(frozen=True)
class Entry:
    """One value: the setting it is for, how the person wrote its name, and the kind of place it stands in."""

    path: Path
    value: Any
    written: str
    origin: str


@dataclass(frozen=True)
class Layer:
    """The values of one place. Layers come in order of precedence, the strongest first."""

    entries: tuple[Entry, ...]

    def nested(self) -> dict[str, Any]:
        """The values as nested dicts."""
        tree: dict[str, Any] = {}
        for entry in self.entries:
            node = tree
            for part in entry.path[:-1]:
                node = node.setdefault(part, {})
            node[entry.path[-1]] = entry.value
        return tree


def read_layers(
    keys: Keys, overrides: Mapping[str, Any], env: Mapping[str, str], config: File | None = None
) -> tuple[list[Layer], list[str]]:
    """All layers, and one sentence for each unknown name and each file that cannot be read.

    `config` is the TOML file of a `--config`, in place of the one that INGEST_CONFIG names.

    An empty variable counts as not set: compose and shells make them of `${MISSING:-}`.
    """
    variables = {name.upper(): text for name, text in env.items() if name.upper().startswith(PREFIX) and text}
    problems: list[str] = []
    found = (
        _overrides(overrides),
        _environment(keys, variables),
        [*_secret_folder(variables, problems), *_file_variables(keys, variables, problems)],
        _toml(variables, problems, config),
    )
    return [Layer(tuple(_settled(keys, entries, problems))) for entries in found], problems


def _overrides(overrides: Mapping[str, Any]) -> Iterator[Entry]:
    for name, value in overrides.items():
        path = path_of(name) if name.upper().startswith(PREFIX) else tuple(name.lower().split("."))
        yield Entry(path, value, name, "flag")


def _environment(keys: Keys, variables: Mapping[str, str]) -> Iterator[Entry]:
    for name, text in variables.items():
        if name in CONTROL or name.startswith(FOREIGN) or _is_file_variable(keys, name):
            continue
        path = path_of(name)
        if not keys.known(path) and _is_service_link(name, text):
            continue
        yield Entry(path, text, name, "environment")


def _is_service_link(name: str, text: str) -> bool:
    return bool(_SERVICE_LINK.search(name)) or (name.endswith("_PORT") and "://" in text)


def _is_file_variable(keys: Keys, name: str) -> bool:
    """True for INGEST_X_FILE where INGEST_X is a setting. Connectors may have settings that end so.

    Left alone.
    """
    if not name.endswith("_FILE") or path_of(name) in keys.fields:
        return False
    path = path_of(name.removesuffix("_FILE"))
    return path in keys.fields or path[:2] == PROPERTIES


def _file_variables(keys: Keys, variables: Mapping[str, str], problems: list[str]) -> Iterator[Entry]:
    for name, text in variables.items():
        if _is_file_variable(keys, name) and (secret := _read(File(text), name, problems)) is not None:
            yield Entry(path_of(name.removesuffix("_FILE")), secret, name, f"file {text}")


def _secret_folder(variables: Mapping[str, str], problems: list[str]) -> Iterator[Entry]:
    named = variables.get("INGEST_SECRETS_DIR")
    folder = File(named) if named else DEFAULT_SECRETS_DIR
    if not folder.is_dir():
        if named:
            problems.append(f"INGEST_SECRETS_DIR: there is no folder {folder}")
        return
    for file in sorted(folder.iterdir()):
        # Other programs keep their secrets in the same folder; ours are told by their names.
        if not file.name.upper().startswith(PREFIX) or not file.is_file():
            continue
        if (secret := _read(file, str(file), problems)) is not None:
            yield Entry(path_of(file.name), secret, str(file), f"file {file}")


def _read(file: File, written: str, problems: list[str]) -> str | None:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        problems.append(f"{written}: the secret file {file} cannot be read: {_reason(exc)}")
        return None


def _toml(variables: Mapping[str, str], problems: list[str], config: File | None) -> Iterator[Entry]:
    named, by = (str(config), "--config") if config else (variables.get("INGEST_CONFIG"), "INGEST_CONFIG")
    if not named:
        return
    try:
        document = tomllib.loads(File(named).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        problems.append(f"{by}: the file {named} cannot be read: {_reason(exc)}")
        return
    except tomllib.TOMLDecodeError as exc:
        problems.append(f"{by}: {named} is not valid TOML: {exc}")
        return
    for name, value in document.items():
        yield Entry((name,), value, f"{name} in {named}", f"file {named}")


def _reason(exc: OSError | UnicodeDecodeError) -> str:
    return exc.strerror or type(exc).__name__ if isinstance(exc, OSError) else "it is not UTF-8 text"


def _settled(keys: Keys, entries: Iterator[Entry] | list[Entry], problems: list[str]) -> Iterator[Entry]:
    """Single, known settings: tables and JSON objects taken apart, unknown names reported and dropped."""
    for entry in entries:
        try:
            singles = list(_singles(keys, entry))
        except ValueError as exc:
            problems.append(f"{entry.written}: {exc}")
            continue
        for single in singles:
            if keys.known(single.path):
                yield single
            else:
                problems.append(f"{single.written}: there is no such setting; {keys.unknown(single.path)}")


def _singles(keys: Keys, entry: Entry) -> Iterator[Entry]:
    value = _object(entry.value) if _is_table(entry.path) else entry.value
    is_leaf = not isinstance(value, Mapping) or (keys.known(entry.path) and not _is_table(entry.path))
    if is_leaf and entry.path[:2] != PROPERTIES:
        yield replace(entry, value=value)
    elif not isinstance(value, Mapping):
        yield replace(entry, path=canonical(entry.path), value=value)
    else:
        for name, inner in value.items():
            yield from _singles(
                keys, replace(entry, path=(*entry.path, name), value=inner, written=_below(entry, name))
            )


def _is_table(path: Path) -> bool:
    return path in (PROPERTIES, SOURCES) or (path[:1] == SOURCES and len(path) == len(SOURCES) + 1)


def _object(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ValueError('must be a JSON object, such as {"name": "value"}')
    return parsed


def _below(entry: Entry, name: str) -> str:
    key, separator, file = entry.written.partition(" in ")
    return f"{key}.{name}{separator}{file}"
