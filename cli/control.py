"""`ingest connectors trigger | pause | resume | restart`: what is asked of the producers, through Kafka."""

import getpass
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, Name, Since, Until
from cli.session import Session, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from producer.control import Control, Told

Wait = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long to wait until it is so; 0: not at all.")
]
_SECONDS = 30.0


def pause(context: typer.Context, name: Name, wait: Wait = _SECONDS, as_json: Json = False) -> None:
    """End a source's run at its next checkpoint, and begin none until `resume`. Outlives all producers.

    Exit code 75: asked for, but the run has not ended within --wait. A source without a producer is at rest.
    """
    from producer.states import State

    session, control = _control(context, as_json=as_json)
    control.pause(name, _by())
    _answer(session, control, name, lambda told: told.state in (State.PAUSED, State.UNASSIGNED), wait)


def resume(context: typer.Context, name: Name, wait: Wait = _SECONDS, as_json: Json = False) -> None:
    """Let a paused source run again; ticks missed meanwhile are made up for as the connector declares.

    Exit code 75: asked for, but its producer has not done it within --wait.
    """
    from producer.states import State

    session, control = _control(context, as_json=as_json)
    control.resume(name)
    _answer(session, control, name, lambda told: told.state is not State.PAUSED, wait)


def trigger(
    context: typer.Context,
    name: Name,
    since: Since = None,
    until: Until = None,
    as_json: Json = False,
) -> None:
    """Ask for a run now, besides the schedule. A FAILED source is alive again with it."""
    session, control = _control(context, as_json=as_json)
    _check_bounds(control, name, since, until)
    job = control.trigger(name, _by(), since=since, until=until)
    _asked(session, control, name, job.job_id, as_json=as_json)


def restart(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Begin anew: a run that goes on (ended at a checkpoint), a job that FAILED, or else a run.

    The producers keep the connectors and settings that they started with: after a new or changed file,
    start all of them again.
    """
    session, control = _control(context, as_json=as_json)
    job = control.trigger(name, _by(), restart=True)
    _asked(session, control, name, job.job_id, as_json=as_json)


def _by() -> str:
    """Who asks: user and host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number without a name.
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def _control(context: typer.Context, *, as_json: bool) -> tuple[Session, "Control"]:
    from cli.fleet import reached
    from producer.control import Control

    session = current(context, as_json=as_json)
    return session, Control(*reached(session))


def _check_bounds(control: "Control", name: str, since: str | None, until: str | None) -> None:
    """Here, if the connector is here; else by the producer that runs it."""
    from connectors.bounds import parse_bounds

    plugin = control.connectors.sources.get(name)
    if plugin is not None:
        parse_bounds(plugin.cls, since, until)


def _asked(session: Session, control: "Control", name: str, job_id: str, *, as_json: bool) -> None:
    from producer.states import State

    told = control.source(name)
    if as_json:
        _print(told, job_id=job_id)
        return
    typer.echo(f"{name}: asked for, job {job_id}")
    if told.state is State.UNASSIGNED and name in session.load().settings.connectors.skip:
        session.say("INGEST_CONNECTORS__SKIP names it: it runs as soon as a producer without that runs it")
    elif told.state is State.UNASSIGNED:
        session.say(f"it runs as soon as a producer runs it: {told.detail}")
    elif told.pause is not None:
        session.say(f"it is paused; next: ingest connectors resume {name}")
    elif told.state is State.BLOCKED:
        session.say(f"it waits: {told.detail}")
    else:
        session.say("next: ingest connectors list")


def _answer(
    session: Session, control: "Control", name: str, reached: "Callable[[Told], bool]", wait: float
) -> None:
    """Tell what became of it; what nobody waits for is not late."""
    from runtime.exit_codes import ExitCode

    told = control.wait(name, reached, wait)
    if session.as_json:
        _print(told)
    else:
        typer.echo(f"{told.source}: {told.state}{f' ({told.detail})' if told.detail else ''}")
    if reached(told):
        return
    session.say("asked for; the producer that runs it has not done it yet. next: ingest connectors list")
    if wait:
        raise typer.Exit(ExitCode.LATER)


def _print(told: "Told", **more: str) -> None:
    from cli.fleet import facts_of
    from cli.output import print_json

    print_json({**facts_of(told), **more})
