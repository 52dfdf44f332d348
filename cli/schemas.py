"""`ingest schemas`: the contracts of the topics."""

from typing import Annotated

import typer

from cli.session import current

app = typer.Typer(help="Avro schemas of the sources.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Avro schemas of the sources."""


@app.command()
def show(context: typer.Context, source: Annotated[str, typer.Argument(help="Name of the source.")]) -> None:
    """Print the Avro schema that a source's connector stands for (JSON); asks no server."""
    from cli.output import print_json
    from schemas.avro import build_schema
    from schemas.names import Names

    session = current(context)
    settings = session.settings()
    plugin = session.registry(settings).get(source)
    print_json(build_schema(plugin.cls.contract(), Names(settings.topic_prefix)))
