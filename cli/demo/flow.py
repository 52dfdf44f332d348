"""The course of the demo: stack up, daemons up, watch until every record is loaded, count, report."""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from rich.console import Console

from cli.daemons import Daemons
from cli.demo.bars import Bars, open_bars
from cli.demo.counts import Progress, Verdict, read_progress, verdict
from cli.demo.report import print_report
from devstack.stack import DevStack
from runtime.exit_codes import ERROR, INTERRUPTED, OK
from runtime.settings import load_settings
from runtime.stopping import Stopping
from schemas.names import Names

SOURCES = ("flights", "weather")
WATCH_SECONDS = 0.5
STALLED_SECONDS = 120.0
# Without a terminal, in columns: wide enough that nothing is cut.
REPORT_WIDTH = 110


class DemoStalledError(RuntimeError):
    """No stage has moved for a long time."""


def run(keep: Path | None, as_json: bool, broker: str = "auto") -> int:
    """Run the demo in `keep` (None: a temporary folder, removed at the end); return the exit code.

    The code is 0 only if every count agrees. Progress goes to stderr, the report (or one JSON object) to
    stdout.
    """
    talk = Console(stderr=True, quiet=as_json and not Console(stderr=True).is_terminal)
    with Stopping() as stopping, ExitStack() as opened:
        folder = keep or Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="ingest-demo-")))
        talk.print(f"Starting broker, registry and ClickHouse in {folder} …")
        stack = opened.enter_context(DevStack(folder, broker=broker, say=talk.print))
        talk.print(f"The broker is {stack.addresses.broker}. Starting producer and consumer …")
        started = time.monotonic()
        daemons = opened.enter_context(Daemons(stack))
        client = opened.enter_context(_client(stack))
        with open_bars(talk, SOURCES) as bars:
            finished = _watch(stack, daemons, client, bars, stopping)
        if finished is None:
            talk.print("Stopped before the end; nothing was counted.")
            return INTERRUPTED
        seconds = {source: at - started for source, (at, _) in finished.items()}
        verdicts = _count(
            stack, client, {source: progress for source, (_, progress) in finished.items()}, seconds
        )
        ok = all(one.agrees for one in verdicts.values())
        if as_json:
            print(_as_json(verdicts, ok))
        else:
            print_report(
                Console(width=None if sys.stdout.isatty() else REPORT_WIDTH),
                verdicts,
                client,
                stack,
                kept=keep,
            )
    return OK if ok else ERROR


def _watch(
    stack: DevStack,
    daemons: Daemons,
    client: Client,
    bars: Bars,
    stopping: Stopping,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, tuple[float, Progress]] | None:
    """Follow the sources until each is loaded: when that was, and its last progress; None when stopped."""
    names, done = Names(), dict[str, tuple[float, Progress]]()
    moved, before = clock(), dict[str, Progress]()
    while len(done) < len(SOURCES):
        if stopping.wait(WATCH_SECONDS):
            return None
        stack.raise_if_died()
        daemons.raise_if_died()
        now = read_progress(daemons.producer.metrics(), client, names, SOURCES)
        bars.show(now)
        for source, progress in now.items():
            if source not in done and progress.finished and progress.loaded >= progress.published:
                done[source] = (clock(), progress)
        if now != before:
            moved, before = clock(), now
        elif clock() - moved > STALLED_SECONDS:
            raise DemoStalledError(_stalled(stack, daemons, now))
    return done


def _stalled(stack: DevStack, daemons: Daemons, now: dict[str, Progress]) -> str:
    state = ", ".join(f"{source}: {asdict(progress)}" for source, progress in now.items())
    tails = "\n".join(f"{daemon.name}:\n{daemon.process.log_tail()}" for daemon in daemons.both)
    logs = stack.folder / "logs"
    return f"Nothing has moved for {STALLED_SECONDS:.0f} s ({state}). Logs are in {logs}.\n{tails}"


def _count(
    stack: DevStack, client: Client, progress: dict[str, Progress], seconds: dict[str, float]
) -> dict[str, Verdict]:
    kafka = load_settings(env=stack.environment()).kafka
    return {
        source: verdict(source, progress[source], seconds[source], client, Names(), kafka)
        for source in SOURCES
    }


def _as_json(verdicts: dict[str, Verdict], ok: bool) -> str:
    fields = ("extracted", "published", "loaded", "dead_lettered", "seconds")
    sources = {source: {field: getattr(one, field) for field in fields} for source, one in verdicts.items()}
    return json.dumps({"sources": sources, "ok": ok})


@contextmanager
def _client(stack: DevStack) -> Iterator[Client]:
    client = clickhouse_connect.get_client(dsn=stack.addresses.clickhouse_url)
    try:
        yield client
    finally:
        client.close()
