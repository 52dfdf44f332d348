"""Arguments and options that several commands have in common."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ReportJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Name = Annotated[str, typer.Argument(help="Name of the source.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="T", help="Start here instead of at the stored cursor, such as 2026-01-31."),
]
Until = Annotated[
    str | None,
    typer.Option(metavar="T", help="Backfill from --since to before T; the cursor stays where it is."),
]
