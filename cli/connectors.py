"""`ingest connectors`: what is there, whether it is right, and what it would publish."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, Name
from cli.session import current

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.configuration import Unconfigured
    from connectors.registry import ConnectorRegistry, Plugin
    from runtime.settings import Settings

app = typer.Typer(help="Connectors: list, check, try, run, control.", no_args_is_help=True)

_SKIPPED = "the producer does not run it: INGEST_CONNECTORS__SKIP names it"


@app.command("list")
def list_all(context: typer.Context, as_json: Json = False) -> None:
    """List all connectors and how they are, by the word of the producers that run them.

    While no broker answers, the state of what could run is "unknown", and the exit code 4.
    """
    from cli.fleet import fleet_states
    from cli.listing import merged, print_sources
    from cli.output import print_json
    from runtime.exit_codes import ExitCode

    session = current(context, as_json=as_json)
    settings = session.settings(terse=True)
    registry = session.registry(settings)
    asked = fleet_states(settings, registry)
    rows = merged(_rows(registry, settings), asked)
    if as_json:
        print_json(rows)
    else:
        print_sources(rows)
    if asked.why_not is not None:
        session.say(f"what runs is not known: {asked.why_not}")
        raise typer.Exit(ExitCode.UNREACHABLE)


@app.command()
def check(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One source; without it all of them.")] = None,
    as_json: Json = False,
) -> None:
    """Check import, settings and schema. Exit code 3 when one is wrong or unknown.

    Without a name, sources that INGEST_CONNECTORS__SKIP leaves out are shown and not checked.
    """
    from cli.output import print_json
    from connectors.configuration import variable
    from runtime.exit_codes import ExitCode

    session = current(context, as_json=as_json)
    settings = session.settings()
    registry = session.registry(settings)
    skipped = [source for source in settings.connectors.skip if source in registry.sources]
    waiting = {} if name else _waiting(registry, settings)
    names = [name] if name else [each for each in registry.sources if each not in {*waiting, *skipped}]
    faults: dict[str, str] = {}
    for each in () if name else registry.quarantined:
        faults[each.origin] = "\n".join(filter(None, (faults.get(each.origin), str(each))))
    if name is None:
        for source, said in registry.unknown(settings.sources).items():
            faults[variable(source)] = f"{variable(source)}: {said}"
        if skips := unknown_skips(registry, settings):
            faults["INGEST_CONNECTORS__SKIP"] = "\n".join(skips)
    for source in names:
        if fault := _fault(registry, source, settings):
            faults[source] = fault
    if as_json:
        print_json(
            {
                "ok": not faults,
                "checked": names,
                "skipped": skipped,
                "not_configured": [*waiting],
                "faults": faults,
            }
        )
    else:
        for source in names:
            typer.echo(f"{source}: {'FAULT' if source in faults else 'ok'}")
        for source in skipped:
            typer.echo(f"{source}: skipped ({_SKIPPED})")
    for note in [*waiting.values(), *faults.values()]:
        session.say(str(note))
    if faults:
        raise typer.Exit(ExitCode.CONFIG)


@app.command("try")
def try_out(
    context: typer.Context,
    name: Name,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Stop after so many records.")] = 10,
    since: Annotated[
        str | None, typer.Option(metavar="T", help="Extract from here on, such as 2026-01-31.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a connector for a few records and show them. Publishes nothing, stores nothing."""
    from cli.output import print_json
    from cli.trial import TRY_SECONDS, Patience, new_trial, run_trial, show_trial
    from cli.waits import telling_waits
    from connectors.resilience import sleeping_with
    from runtime.exit_codes import ExitCode
    from schemas.names import Names

    session = current(context, as_json=as_json)
    settings = session.settings()
    connector = session.registry(settings).create(name, settings.sources.get(name, {}))
    if name in settings.connectors.skip:
        session.say(f"{name} is skipped: {_SKIPPED}")
    waits = telling_waits(lambda text: session.say(session.hide(text)), terminal=sys.stderr.isatty())
    trial = new_trial(connector, Names(settings.topic_prefix))
    try:
        with waits, sleeping_with(Patience(TRY_SECONDS)):
            run_trial(connector, trial, limit=limit, since=since)
    except Exception:
        # What came is half of the answer to why nothing more did.
        if as_json:
            session.details = {"came": trial.as_dict()}
        elif not trial.empty:
            show_trial(trial, session.say)
        raise
    if as_json:
        print_json(trial.as_dict())
    else:
        show_trial(trial, session.say)
    if trial.rejected:
        raise typer.Exit(ExitCode.DEAD_LETTERS)


def unknown_skips(registry: "ConnectorRegistry", settings: "Settings") -> list[str]:
    """A sentence for each name in INGEST_CONNECTORS__SKIP that no source has."""
    return [
        f"INGEST_CONNECTORS__SKIP: {said}" for said in registry.unknown(settings.connectors.skip).values()
    ]


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


def _waiting(registry: "ConnectorRegistry", settings: "Settings") -> "Mapping[str, Unconfigured]":
    """What is not configured, without what is not wanted."""
    found = registry.unconfigured(settings.sources)
    return {name: each for name, each in found.items() if name not in settings.connectors.skip}


def _rows(registry: "ConnectorRegistry", settings: "Settings") -> list[dict[str, str | None]]:
    skipped = {name: ("skipped", _SKIPPED) for name in settings.connectors.skip if name in registry.sources}
    waiting = {name: ("not configured", str(each)) for name, each in _waiting(registry, settings).items()}
    states = {**skipped, **waiting}
    rows = [_row(plugin, *states.get(name, ("ready", None))) for name, plugin in registry.sources.items()]
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


def _row(plugin: "Plugin", state: str, detail: str | None) -> dict[str, str | None]:
    from connectors.schedule import parse_schedule

    schedule = parse_schedule(plugin.cls.schedule).describe()
    return {
        "source": plugin.name,
        "state": state,
        "schedule": schedule,
        "origin": plugin.origin,
        "detail": detail,
    }
