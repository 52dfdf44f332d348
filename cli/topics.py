"""`ingest topics`: look into topics."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.session import current

if TYPE_CHECKING:
    from cli.tail import Line

app = typer.Typer(help="Topics: look at their records.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Topics: look at their records."""


@app.command()
def tail(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(metavar="TOPIC_OR_SOURCE", help="A topic, or a source's name.")],
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many records.")] = 10,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="The first records instead of the last.")
    ] = False,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Look into the topic's dead letters.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print the last records of a topic, decoded by their registered schema. Commits nothing."""
    from cli.output import print_json_line
    from cli.tail import Decoder, first, last
    from runtime.kafka import check_properties
    from schemas.names import Names
    from schemas.registry import SchemaRegistry

    session = current(context, as_json=as_json)
    settings = session.settings()
    check_properties(settings.kafka)
    names = Names(settings.topic_prefix)
    wanted = topic if "." in topic else names.topic(topic)
    if dead_letters:
        wanted = names.dead_letter_topic(wanted)
    messages = (first if from_beginning else last)(settings.kafka, wanted, limit)
    at = settings.registry
    with SchemaRegistry(at.url, basic_auth=at.basic_auth, ca_file=at.ca_file) as registry:
        decoder, empty = Decoder(registry), True
        for message in messages:
            empty = False
            line = decoder.line(message)
            if as_json:
                print_json_line(line.as_dict())
            else:
                _show(line)
    if empty:
        session.say(f"{wanted} has no records")


def _show(line: "Line") -> None:
    from cli.output import to_json

    time = "" if line.timestamp is None else f"{line.timestamp:%Y-%m-%d %H:%M:%S}  "
    typer.echo(f"{line.partition}:{line.offset}  {time}{line.key}  {to_json(line.value)}")
    for name, text in line.headers.items():
        typer.echo(f"    {name}: {text}")
    if line.fault:
        typer.echo(f"    cannot be decoded: {line.fault}")
