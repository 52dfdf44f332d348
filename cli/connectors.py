"""`ingest connectors`: what is there, whether it is right, and what it would publish."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.session import current

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.registry import ConnectorRegistry, Plugin
    from runtime.settings import Settings

app = typer.Typer(help="Connectors: list, check, try.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_all(context: typer.Context, as_json: Json = False) -> None:
    """List all connectors, those set aside with the reason."""
    from cli.output import print_columns, print_json

    session = current(context)
    settings = session.settings()
    registry = session.registry(settings)
    rows = _rows(registry, settings.sources)
    if as_json:
        print_json(rows)
        return
    columns = ("source", "state", "schedule", "origin", "detail")
    print_columns(columns, [tuple(str(row[column] or "") for column in columns) for row in rows])


@app.command()
def check(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One source; without it all of them.")] = None,
    as_json: Json = False,
) -> None:
    """Check import, settings and schema. Exit code 3 when one is wrong or unknown."""
    from cli.output import print_json
    from runtime.exit_codes import ExitCode

    session = current(context)
    settings = session.settings()
    registry = session.registry(settings)
    waiting = {} if name else registry.unconfigured(settings.sources)
    names = [name] if name else [source for source in registry.sources if source not in waiting]
    faults = {} if name else {each.origin: str(each) for each in registry.quarantined}
    for source in names:
        if fault := _fault(registry, source, settings):
            faults[source] = fault
    if as_json:
        print_json({"ok": not faults, "checked": names, "not_configured": [*waiting], "faults": faults})
    else:
        for source in names:
            typer.echo(f"{source}: {'FAULT' if source in faults else 'ok'}")
    for note in [*waiting.values(), *faults.values()]:
        session.say(str(note))
    if faults:
        raise typer.Exit(ExitCode.CONFIG)


@app.command("try")
def try_out(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the source.")],
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Stop after so many records.")] = 10,
    since: Annotated[str | None, typer.Option(metavar="T", help="Extract from here on.")] = None,
    as_json: Json = False,
) -> None:
    """Run a connector for a few records and show them. Publishes nothing, stores nothing."""
    from cli.output import print_json
    from cli.trial import run_trial, show_trial
    from runtime.exit_codes import ExitCode
    from schemas.names import Names

    session = current(context)
    settings = session.settings()
    connector = session.registry(settings).create(name, settings.sources.get(name, {}))
    trial = run_trial(connector, Names(settings.topic_prefix), limit=limit, since=since)
    if as_json:
        print_json(trial.as_dict())
    else:
        show_trial(trial, session.say)
    if trial.rejected:
        raise typer.Exit(ExitCode.DEAD_LETTERS)


def _fault(registry: "ConnectorRegistry", source: str, settings: "Settings") -> str | None:
    from connectors.errors import ConnectorError
    from schemas.avro import build_schema
    from schemas.errors import SchemaError
    from schemas.names import Names

    try:
        connector = registry.create(source, settings.sources.get(source, {}))
        build_schema(connector.contract(), Names(settings.topic_prefix))
    except (ConnectorError, SchemaError) as exc:
        return str(exc)
    return None


def _rows(
    registry: "ConnectorRegistry", settings: "Mapping[str, Mapping[str, Any]]"
) -> list[dict[str, str | None]]:
    waiting = registry.unconfigured(settings)
    rows = [
        {**_row(plugin), "state": "not configured" if name in waiting else "ready"}
        | {"detail": str(waiting[name]) if name in waiting else None}
        for name, plugin in registry.sources.items()
    ]
    return rows + [
        {
            "source": None,
            "state": "quarantined",
            "schedule": None,
            "origin": each.origin if each.line is None else f"{each.origin}:{each.line}",
            "detail": each.cause,
        }
        for each in registry.quarantined
    ]


def _row(plugin: "Plugin") -> dict[str, str | None]:
    from connectors.schedule import parse_schedule

    schedule = parse_schedule(plugin.cls.schedule).describe()
    return {
        "source": plugin.name,
        "state": None,
        "schedule": schedule,
        "origin": plugin.origin,
        "detail": None,
    }
