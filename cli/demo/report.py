"""What the demo says at its end: the counts, three queries with their answers, and what to type next."""

from collections.abc import Mapping
from pathlib import Path

from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from cli.demo.counts import Verdict
from devstack.stack import DevStack

EXAMPLES = {
    "Which airport's departures are late most often?": """
SELECT origin, count() AS flights, round(100 * avg(dep_delay > 15), 1) AS late_percent
FROM flights WHERE dep_delay IS NOT NULL
GROUP BY origin ORDER BY late_percent DESC""",
    "Does wind delay departures? (both sources, joined by airport and hour)": """
SELECT multiIf(w.wind_speed_10m < 4, 'under 4 m/s', w.wind_speed_10m < 8, '4 to 8 m/s', 'more') AS wind,
       count() AS flights, round(avg(f.dep_delay), 1) AS mean_delay_minutes
FROM flights AS f JOIN weather AS w ON w.place = f.origin AND w.time = f.time_hour
WHERE f.dep_delay IS NOT NULL AND w.wind_speed_10m IS NOT NULL
GROUP BY wind ORDER BY mean_delay_minutes""",
    "Is any record there twice?": """
SELECT 'flights' AS source, count() AS rows, uniqExact(_id) AS distinct_records FROM flights
UNION ALL
SELECT 'weather' AS source, count() AS rows, uniqExact(_id) AS distinct_records FROM weather""",
}


def print_report(
    console: Console, verdicts: Mapping[str, Verdict], client: Client, stack: DevStack, *, kept: Path | None
) -> None:
    """Print the report for a person."""
    console.print(_counts(verdicts))
    for question, query in EXAMPLES.items():
        console.print(f"\n[bold]{question}[/bold]")
        console.print(Syntax(query.strip(), "sql", background_color="default", word_wrap=True))
        console.print(_answer(client, query))
    console.print(_next_steps(stack, kept))


def _counts(verdicts: Mapping[str, Verdict]) -> Table:
    table = Table("source", title=f"Every stage counted: {_total(verdicts)}")
    for column in ("extracted", "published", "loaded", "dead-lettered", "seconds", "rows/s", "counts"):
        table.add_column(column, justify="right", no_wrap=True)
    for source, one in verdicts.items():
        rate = f"{one.loaded / one.seconds:,.0f}"
        numbers = (one.extracted, one.published, one.loaded, one.dead_lettered)
        verdict = "agree" if one.agrees else "DISAGREE"
        table.add_row(source, *(f"{number:,}" for number in numbers), f"{one.seconds:.1f}", rate, verdict)
    return table


def _total(verdicts: Mapping[str, Verdict]) -> str:
    return f"{sum(one.loaded for one in verdicts.values()):,} rows in ClickHouse"


def _answer(client: Client, query: str) -> Table:
    result = client.query(query)
    table = Table(*result.column_names)
    for row in result.result_rows:
        table.add_row(*(str(value) for value in row))
    return table


def _next_steps(stack: DevStack, kept: Path | None) -> str:
    steps = [
        "\n[bold]What to type next[/bold]",
        "  . .venv/bin/activate            so that the shell finds `ingest`",
        "  ingest dev                      the same stack, running until Ctrl-C",
        "  ingest connectors list          the sources that were found",
        "  ingest connectors try flights   records of one source, nothing published",
        "  docs/authors.md                 your own source in ten minutes",
    ]
    if kept:
        steps.insert(1, f"  ingest dev --keep {kept}   this stack with its data ({stack.addresses.broker})")
    else:
        steps.append("The demo's folder is removed now; `make demo KEEP=DIR` keeps it.")
    return "\n".join(steps)
