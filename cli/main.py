"""Builds the `ingest` command from its groups, and is its entry point.

Nothing but typer is imported here or by the groups at import time: help and completion must be instant.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli import config, connectors, control, cursor, doctor, local, run, schemas, topics
from cli.session import Session
from runtime.exit_codes import ExitCode

_HELP = """\
Any outside source becomes a typed Kafka topic and a ClickHouse table that is correct to the row.

\b
Examples:
  ingest demo                        see the whole pipeline run on real data, on this machine
  ingest connectors try weather      run a connector, look at its records, publish nothing
  ingest dev --connectors ./sources  all servers and both daemons, for writing a connector
"""

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code.value:>3}  {code.meaning}" for code in ExitCode)

app = typer.Typer(
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(run.producer, name="producer")
app.add_typer(run.consumer, name="consumer")
app.command("run", short_help="Make one pass of one source.")(run.run)
app.add_typer(connectors.app, name="connectors")
connectors.app.add_typer(cursor.app, name="cursor")
for asking in (control.trigger, control.pause, control.resume, control.restart):
    connectors.app.command()(asking)
connectors.app.command("run")(run.run_named)
app.add_typer(topics.app, name="topics")
app.add_typer(schemas.app, name="schemas")
app.add_typer(config.app, name="config")
app.command("doctor", short_help="Ask each server, look at the connectors.")(doctor.doctor)
app.command("dev", short_help="Run servers and daemons until Ctrl-C.")(local.dev)
app.command("demo", short_help="Real data through the whole pipeline.")(local.demo)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ingest {version('ingest')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    config_file: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="TOML file with settings.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as http.port=0; repeatable."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only data and errors.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Debug log; tracebacks of unexpected errors.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command's name hold for every command; `demo` has its own settings."""
    session = context.ensure_object(Session)
    session.config = config_file
    session.overrides = dict(_assignment(text) for text in assignments or ())
    session.quiet = quiet
    session.debug = debug


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"'{text}' is not KEY=VALUE", param_hint="--set")
    return key.strip(), value


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends with SystemExit and the documented code."""
    session = Session()
    try:
        app(arguments, obj=session)
    except Exception as exc:
        from cli.failures import report

        code = report(
            exc, debug=session.debug, hide=session.hide, as_json=session.as_json, details=session.details
        )
        sys.exit(code)


if __name__ == "__main__":
    main()
