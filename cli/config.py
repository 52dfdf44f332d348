"""`ingest config`: what is set, where it was set, and whether it is right."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Json
from cli.session import Session, current

if TYPE_CHECKING:
    from runtime.settings import LoadedSettings, Settings

app = typer.Typer(help="Settings: show and check.", no_args_is_help=True)


@app.command()
def show(
    context: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
    as_json: Json = False,
) -> None:
    """Print all settings in force. Secrets are never shown."""
    from cli.output import print_columns, print_json, to_json

    session = current(context, as_json=as_json)
    loaded = session.load()
    rows = list(_rows(loaded, _sources(session, loaded.settings)))
    if as_json:
        print_json(
            {key: {"value": value, "origin": loaded.origin(key)} if origin else value for key, value in rows}
        )
        return
    cells = [
        (key, value if isinstance(value, str) else to_json(value), loaded.origin(key)) for key, value in rows
    ]
    if origin:
        print_columns(("setting", "origin", "value"), [(key, where, text) for key, text, where in cells])
    else:
        print_columns(("setting", "value"), [(key, text) for key, text, _ in cells])


@app.command()
def check(context: typer.Context) -> None:
    """Read all settings, those of the connectors too; connects to nothing. Exit code 3 when one is wrong."""
    from cli.connectors import unknown_skips
    from runtime.errors import SettingsError
    from runtime.kafka import check_properties

    session = current(context)
    settings = session.settings()
    check_properties(settings.kafka)
    registry = session.registry(settings)
    registry.check_settings(settings.sources)
    if unknown := unknown_skips(registry, settings):
        raise SettingsError(unknown)
    for missing in registry.unconfigured(settings.sources).values():
        session.say(str(missing))
    session.say(f"settings are right; {len(registry.sources)} sources found")
    if registry.quarantined:
        session.say(
            f"{len(registry.quarantined)} files or sources were set aside, their settings were not checked: "
            "`ingest connectors check` says why"
        )


def _sources(session: Session, settings: "Settings") -> dict[str, dict[str, Any]]:
    """The connectors' settings, without what their models declare secret under whatever name."""
    from connectors.configuration import masked
    from connectors.errors import ConnectorError
    from runtime.redaction import HIDDEN

    if not settings.sources:
        return {}
    try:
        known = session.registry(settings).sources
    except ConnectorError:
        return {source: dict.fromkeys(values, HIDDEN) for source, values in settings.sources.items()}
    return {
        source: masked(known[source].cls.Settings, values, HIDDEN) if source in known else values
        for source, values in settings.sources.items()
    }


def _rows(loaded: "LoadedSettings", sources: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    from runtime.keys import Keys
    from runtime.redaction import HIDDEN, hide, secret_values
    from runtime.settings import Settings

    settings, secrets = loaded.settings, secret_values(loaded.settings)
    for path in Keys.of(Settings).fields:
        key = ".".join(path)
        value = sources if key == "sources" else _value(settings, path)
        if key == "clickhouse.url":
            address, password = settings.clickhouse.address, settings.clickhouse.address.password
            secret = f":{HIDDEN}" if password else ""
            value = str(address).replace("://", f"://{address.username}{secret}@")
            yield key, value
        elif isinstance(value, dict) and value:
            for name, inner in _flat(value, key):
                yield name, hide(inner, secrets, name=name)
        else:
            yield key, hide(value, secrets)


def _value(settings: "Settings", path: tuple[str, ...]) -> Any:
    value: Any = settings
    for name in path:
        value = getattr(value, name)
    return value


def _flat(value: dict[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{above}.{name}")
        else:
            yield f"{above}.{name}", inner
