"""`ingest producer run`, `ingest consumer run`, and `ingest run SOURCE` for one pass of one source."""

from typing import Annotated, NoReturn

import typer

from cli.options import Name, ReportJson, Since, Until
from cli.session import current

producer = typer.Typer(help="The daemon that extracts and publishes.", no_args_is_help=True)
consumer = typer.Typer(help="The daemon that loads ClickHouse.", no_args_is_help=True)


@producer.command("run")
def producer_run(context: typer.Context) -> None:
    """Run all sources on their schedules, until SIGTERM or Ctrl-C."""
    from producer.daemon import main
    from runtime.kafka import check_properties

    settings = current(context).load().settings
    check_properties(settings.kafka)
    raise typer.Exit(main(settings))


@consumer.command("run")
def consumer_run(context: typer.Context) -> None:
    """Load all source topics into ClickHouse, until SIGTERM or Ctrl-C."""
    from consumer.daemon import main

    raise typer.Exit(main(current(context).load().settings))


def run(
    context: typer.Context,
    source: Name,
    since: Since = None,
    until: Until = None,
    as_json: ReportJson = False,
) -> None:
    """Make one pass of one source: extract, publish, store the cursor. Exit code 6: some were rejected.

    With --since and --until it is a backfill. The same command goes on where it was cut short.
    """
    _run(context, source, since, until, as_json=as_json)


def run_named(
    context: typer.Context,
    name: Name,
    once: Annotated[bool, typer.Option("--once", help="One pass, in this process.")] = False,
    since: Since = None,
    until: Until = None,
    as_json: ReportJson = False,
) -> None:
    """Make one pass of one source in this process, as `ingest run` does."""
    if not once:
        raise typer.BadParameter(
            f"say --once for one pass in this process; `ingest connectors trigger {name}` asks the producer "
            "that keeps its schedule"
        )
    _run(context, name, since, until, as_json=as_json)


def _run(
    context: typer.Context, source: str, since: str | None, until: str | None, *, as_json: bool
) -> NoReturn:
    from dataclasses import asdict

    from cli.output import cursor_words, print_json
    from cli.single import run_single
    from producer.once import exit_code

    session = current(context, as_json=as_json)
    report, has_cursor = run_single(session, source, since, until)
    if as_json:
        print_json(asdict(report))
    else:
        interrupted = "" if report.completed else "interrupted before the end of its source; "
        cursor = f"; {cursor_words(report.cursor, 'cursor ')}" if has_cursor else ""
        known = f"{report.deduplicated:,} there already, " if report.deduplicated else ""
        slices = f"slices done: {report.slices_done:,} of {report.slices:,}; " if until else ""
        typer.echo(
            f"{report.source}: {interrupted}{slices}"
            f"{report.extracted:,} extracted, {report.published:,} published, {known}"
            f"{report.rejected:,} rejected in {report.seconds:.1f} s{cursor}"
        )
    if not report.completed:
        bounds = f" --since {since} --until {until}, which goes on where it was" if until else ""
        begins = ", which begins at the cursor" if has_cursor else ", which begins anew"
        session.say(f"next: ingest run {source}{bounds or begins}")
    if report.rejected:
        session.say(f"next: ingest topics tail {source} --dead-letters")
    raise typer.Exit(exit_code(report))
