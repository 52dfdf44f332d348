"""`ingest dev` and `ingest demo`: everything on this machine."""

from pathlib import Path
from typing import Annotated

import typer

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
    keep: Keep = None,
    broker: Broker = "auto",
    connectors: Annotated[
        list[Path] | None, typer.Option("--connectors", metavar="PATH", help="A folder of yours; repeatable.")
    ] = None,
) -> None:
    """Start broker, registry, ClickHouse and both daemons; Ctrl-C ends all of it. Not for production."""
    from cli.dev import run

    raise typer.Exit(run(keep, broker, tuple(connectors or ())))


def demo(
    keep: Keep = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    broker: Broker = "auto",
) -> None:
    """Send real data through the whole pipeline on this machine, and count it at every stage."""
    from cli.demo import run

    raise typer.Exit(run(keep, as_json, broker))
