"""`ingest dev` and `ingest demo`: everything on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from cli.session import current

Keep = Annotated[
    Path | None,
    typer.Option(
        "--keep", metavar="DIR", help="Keep data and logs here; otherwise they go with the command."
    ),
]
Broker = Annotated[
    str,
    typer.Option(
        metavar="auto|kafka|tansu", help="Which broker to start; auto: INGEST_DEV_BROKER, else the best one."
    ),
]


def dev(
    context: typer.Context,
    keep: Keep = None,
    broker: Broker = "auto",
    connectors: Annotated[
        list[Path] | None, typer.Option("--connectors", metavar="PATH", help="A folder of yours; repeatable.")
    ] = None,
    no_daemons: Annotated[
        bool, typer.Option("--no-daemons", help="Only the servers, neither producer nor consumer.")
    ] = False,
) -> None:
    """Start broker, registry, ClickHouse and both daemons; Ctrl-C ends all of it. Not for production.

    With --no-daemons the servers alone: the daemons are then yours to start and stop, in other shells.
    """
    from cli.dev import run

    session, own = current(context), tuple(connectors or ())
    # Now, and not in a daemon's log after everything else has started.
    settings = session.load().settings
    session.registry(settings, own).check_settings(settings.sources)
    paths = (*settings.connectors.paths, *own)
    raise typer.Exit(run(keep, broker, paths, session.environment(), with_daemons=not no_daemons))


def demo(
    context: typer.Context,
    keep: Keep = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    broker: Broker = "auto",
) -> None:
    """Send real data through the whole pipeline on this machine, and count it at every stage."""
    from cli.demo import run

    current(context, as_json=as_json).load()
    raise typer.Exit(run(keep, as_json, broker))
