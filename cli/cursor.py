"""`ingest connectors cursor show | set | reset`: how far sources have been extracted, changed by hand."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Json, Name
from cli.session import Session, current

if TYPE_CHECKING:
    from connectors.base import BaseConnector
    from producer.control import Told
    from producer.cursor_control import CursorPlan
    from producer.positions import Position

app = typer.Typer(help="Cursors: show, set, reset.", no_args_is_help=True)

Execute = Annotated[bool, typer.Option("--execute", help="Do it; without it only the plan is shown.")]


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One source; without it all of them.")] = None,
    as_json: Json = False,
) -> None:
    """Show how far sources have been extracted, when, and by which run."""
    from cli.output import print_columns, print_json

    session = current(context, as_json=as_json)
    found = _stored(session, name)
    if as_json:
        print_json([_facts(position) for position in found])
        return
    columns = ("source", "cursor", "completed", "written", "run", "writer")
    rows = [(one.source, *_cells(one)) for one in found]
    print_columns(columns, rows)
    if name and not found:
        session.say(f"{name} has no cursor yet: its next run extracts everything")


@app.command("set")
def set_to(
    context: typer.Context,
    name: Name,
    value: Annotated[str, typer.Argument(metavar="CURSOR", help="The new one, such as 2026-01-31.")],
    execute: Execute = False,
    as_json: Json = False,
) -> None:
    """Show what a cursor at CURSOR would change; with --execute change it, while the source is paused."""
    _change(context, name, value, execute=execute, as_json=as_json)


@app.command()
def reset(context: typer.Context, name: Name, execute: Execute = False, as_json: Json = False) -> None:
    """Show what a run from nothing would do; with --execute forget the cursor, while the source is paused."""
    _change(context, name, None, execute=execute, as_json=as_json)


def _change(context: typer.Context, name: str, value: str | None, *, execute: bool, as_json: bool) -> None:
    from cli.fleet import reached
    from cli.output import cursor_words, print_json
    from producer.assembly import assembled
    from producer.control import Control
    from producer.cursor_control import apply_cursor, check_paused
    from schemas.names import Names

    session = current(context, as_json=as_json)
    settings, registry = reached(session)
    connector = registry.get(name).cls
    with assembled(settings, registry) as parts:
        parts.topics.ensure_state(Names(settings.topic_prefix))
        plan = _plan(connector, parts.cursors.load(name), value)
        before = plan.before.cursor if plan.before else None
        if not as_json:
            typer.echo(f"{name}: {cursor_words(before)} -> {cursor_words(plan.cursor)}: {plan.effect}")
        told = Control(settings, registry).source(name)
        if execute:
            check_paused(told)
            apply_cursor(parts, plan, connector)
    if as_json:
        print_json({"source": name, "before": before, "after": plan.cursor, "executed": execute})
    elif execute:
        typer.echo(f"{name}: done")
    session.say(f"next: ingest connectors resume {name}" if execute else _how_to_execute(told))


def _how_to_execute(told: "Told") -> str:
    first = "" if told.pause else f"ingest connectors pause {told.source}, and "
    return f"nothing was changed; next: {first}add --execute"


def _plan(connector: "type[BaseConnector]", before: "Position | None", text: str | None) -> "CursorPlan":
    """The plan for what a person typed; JSON shows texts in quotes, so they may be typed with them."""
    from cli.errors import CursorRefusedError
    from connectors.errors import SinceError
    from producer.cursor_control import plan_cursor

    try:
        return plan_cursor(connector, before, text and _unquoted(text))
    except SinceError as exc:
        raise CursorRefusedError(str(exc).removeprefix("since=")) from exc


def _unquoted(text: str) -> str:
    try:
        found = json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text
    return found if isinstance(found, str) else text


def _stored(session: Session, name: str | None) -> "list[Position]":
    from cli.fleet import reached
    from producer.assembly import assembled
    from schemas.names import Names

    settings, registry = reached(session)
    with assembled(settings, registry) as parts:
        parts.topics.ensure_state(Names(settings.topic_prefix))
        found = parts.cursors.load_all()
    if name is not None and name not in found:
        registry.get(name)
    return [position for source, position in sorted(found.items()) if name in (None, source)]


def _cells(position: "Position") -> tuple[str, ...]:
    from cli.output import cursor_words

    completed = position.completed.isoformat(timespec="seconds") if position.completed else "never"
    written = position.at.isoformat(timespec="seconds")
    return cursor_words(position.cursor), completed, written, position.run_id, position.writer


def _facts(position: "Position") -> dict[str, Any]:
    return {"source": position.source, **position.model_dump(mode="json")}
