"""Writes docs/settings.md from the models, so that the page cannot differ from the program.

`python -m runtime.settings_table` rewrites the page; a test fails when it is stale.
"""

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ByteSize, SecretStr
from pydantic.fields import FieldInfo

from runtime.kafka_properties import ALLOWED, REFUSED, SECRET, Scope
from runtime.keys import Keys, variable
from runtime.settings import Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

_HEAD = """\
# Settings

<!-- Written by `python -m runtime.settings_table`; edit the models in runtime/settings.py instead. -->

A setting has one name and may be given in five places. The first that has it wins:

| place | how |
|---|---|
| flag | `ingest --set consumer.batch_rows=50000 …` |
| environment | `INGEST_CONSUMER__BATCH_ROWS=50000`; two underscores between the parts |
| secret file | a file `ingest_consumer__batch_rows` in `INGEST_SECRETS_DIR` (not set: `/run/secrets`) |
| | or any file, when `INGEST_CONSUMER__BATCH_ROWS_FILE` names it |
| TOML file | `[consumer]`, `batch_rows = 50_000` in the file that `INGEST_CONFIG` or `--config` names |
| default | see below |

A name that nobody knows is an error, wherever it stands, and so is a value out of range; both are reported
at the start, all at once, with exit code 3. An empty variable counts as not set. `config show --origin`
prints what is in force and where it came from; secrets are never printed. `ingest config check` reads
everything and connects to nothing.

Variables of ours that are not settings: `INGEST_CONFIG`, `INGEST_SECRETS_DIR`, the dev stack's
`INGEST_DEV_BROKER` and `INGEST_DEV_CACHE`, and all that begin with `INGEST_TEST_` (tests).
"""

_KAFKA_HEAD = """\
## Kafka properties

What `kafka.properties` may hold. A property made for consumers is not handed to producers, nor the reverse.
The values of {secret} are treated as secrets.
"""


def page() -> str:
    """The whole of docs/settings.md."""
    return "\n".join([_HEAD, *_sections(), *_kafka_sections()])


def _sections() -> Iterator[str]:
    keys = Keys.of(Settings)
    groups: dict[str, list[tuple[tuple[str, ...], FieldInfo]]] = {}
    for path, field in keys.fields.items():
        groups.setdefault(path[0] if len(path) > 1 else "", []).append((path, field))
    for group, settings in groups.items():
        model = Settings.model_fields[group].annotation if group else None
        yield f"## {group}\n\n{(model.__doc__ or '').strip()}\n" if model else "## General\n"
        yield _table(
            ("variable", "type", "default", "meaning"),
            [
                (f"`{variable(path)}`", type_name(field.annotation), _default(field), field.description or "")
                for path, field in settings
            ],
        )


def _kafka_sections() -> Iterator[str]:
    yield _KAFKA_HEAD.format(secret=", ".join(f"`{name}`" for name in sorted(SECRET)))
    titles: Mapping[Scope, str] = {"both": "all clients", "consumer": "consumers", "producer": "producers"}
    yield _table(
        ("for", "properties"),
        [
            (title, ", ".join(f"`{name}`" for name, scope in ALLOWED.items() if scope == kind))
            for kind, title in titles.items()
        ],
    )
    yield "Refused, most of them because a promise of the platform rests on them:\n"
    yield _table(("property", "why"), [(f"`{name}`", why) for name, why in REFUSED.items()])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_TYPES: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    ByteSize: "bytes",
    SecretStr: "secret",
    Path: "path",
}


def type_name(annotation: Any) -> str:
    """A type as people say it."""
    if annotation in _TYPES:
        return _TYPES[annotation]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_name(inner[0])
    if origin is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_name(kind) for kind in inner if kind is not type(None))
    return "table" if origin is dict else f"list of {type_name(inner[0])}s"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, (), {}):
        return ""
    if isinstance(value, ByteSize):
        return f"`{value.human_readable(separator='')}`"
    return f"`{value}`"


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
