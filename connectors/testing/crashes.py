"""The crash matrix for one connector: the real producer, killed at exact points, before a real broker.

The matrix is the dev stack's and runs as a process of its own: this room knows nothing of Kafka.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.configuration import build_settings, variable
from connectors.declaration import check_declaration
from connectors.errors import ConnectorError
from connectors.resilience import sleeping_with
from connectors.testing.conformance import ConformanceError, identified, stream_of
from connectors.testing.standin import NAME, write_standin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connectors.base import BaseConnector
    from connectors.testing.scripted import Scripted

MOST_RECORDS = 100_000
_SHOWN = 10
# What is wrong with which ids, and what may have made it so.
_FAULTS = {
    "missing": (
        "missing",
        "did the cursor pass them before they had come? `ordered` must be true, `since` is inclusive, and a "
        "Checkpoint stands behind what it covers",
    ),
    "doubled": (
        "there more than once",
        "does their payload change from run to run, by a time or at random?",
    ),
    "unexpected": (
        "there that an uninterrupted run does not have",
        "does their id change from run to run?",
    ),
    "again": (
        "published once more by a next run, with nothing new",
        "did the cursor not move, or does their payload change?",
    ),
}


class UncheckedError(ConnectorError):
    """The crashes could not be tried, so nothing is known of the connector; the message says why."""


def check_crashes(
    connector: type[BaseConnector],
    *,
    upstream: Scripted | None = None,
    expected: Iterable[str] | None = None,
    rounds: int = 1,
    settings: Mapping[str, Any] | None = None,
    points: Sequence[str] | None = None,
    servers: Mapping[str, str] | None = None,
) -> None:
    """Kill `ingest run` of a connector at each point of a transaction, and count what a reader then sees.

    The points are "before begin", "after produce", "EndTxn unsent", "EndTxn answer withheld" and "after
    commit". At each one the run is killed in `rounds` rounds (SIGKILL) and then completes: a read_committed
    reader must find every record once, and a next run, for a source with a cursor, must publish nothing.

    `upstream` is served meanwhile, its address given to the connector; without one, `extract` reads what it
    reads. `expected` are the ids to be found, otherwise those that one run in this process extracts, items
    that `transform` refuses left out. The class must be defined in a file; its limits do not count here.

    `servers` are the INGEST_* variables of a running dev stack with Apache Kafka (broker and registry are
    used); otherwise one is started, which takes seconds and needs Java, Maven and the extra `dev`.

    Raises ConformanceError with point and ids for a connector that loses or doubles records, UncheckedError
    where the crashes could not be tried, DeclarationError, ConnectorSettingsError, and whatever the connector
    or the script raises in this process.
    """
    check_declaration(connector)
    with upstream or nullcontext(), tempfile.TemporaryDirectory(prefix="ingest-crashes-") as home:
        own = {**(settings or {}), **({upstream.setting: upstream.url} if upstream else {})}
        ids = list(_extracted(connector, own) if expected is None else expected)
        _check_number(ids, rounds)
        write_standin(connector, Path(home))
        plan = {
            "source": NAME,
            "environment": {"INGEST_CONNECTORS__PATHS": home, **_variables(own)},
            "expected": ids,
            "rounds": rounds,
            "resumes": connector.has_cursor(),
            "points": points,
            "servers": None if servers is None else dict(servers),
            "folder": home,
        }
        verdicts = _run(plan)
    faults = [fault for verdict in verdicts for fault in _faults(verdict, len(ids))]
    if faults:
        raise ConformanceError("\n".join([f"{connector.__name__} does not survive crashes:", *faults]))


def _extracted(connector: type[BaseConnector], settings: Mapping[str, Any]) -> Iterator[str]:
    """The ids of one uninterrupted run. Nobody waits for a scripted failure here."""
    source = connector(build_settings(connector.contract().source, connector.Settings, settings))
    with sleeping_with(lambda seconds: None), stream_of(source, None) as items:
        for item in islice(items, MOST_RECORDS + 1):
            try:
                record = identified(source, source.transform(item))
            except Exception:  # noqa: S112 - the producer makes it a dead letter and goes on
                continue
            yield record.id


def _check_number(ids: Sequence[str], rounds: int) -> None:
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}: each point needs one at least")
    if len(ids) > MOST_RECORDS:
        raise ConformanceError(f"there are more than {MOST_RECORDS:,} records: give it a smaller upstream")
    if len(ids) <= rounds:
        raise ConformanceError(
            f"{len(ids)} records cannot be interrupted in {rounds} rounds: give it an upstream with more, "
            f"{rounds + 1} at least and better {8 * (rounds + 1)}"
        )


def _variables(settings: Mapping[str, Any]) -> dict[str, str]:
    """The settings as the producer's environment has them; None is left to the default."""
    return {
        variable(NAME, name): value if isinstance(value, str) else json.dumps(value, default=str)
        for name, value in settings.items()
        if value is not None
    }


def _run(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    # What can be imported here can be imported there.
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "devstack.crashes"],
        input=json.dumps(plan),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    if done.returncode:
        raise UncheckedError(
            f"the crash matrix ended with exit code {done.returncode}; it says why on standard error"
        )
    answer = json.loads(done.stdout)
    if why := answer.get("unavailable"):
        raise UncheckedError(f"the crashes cannot be tried: {why}")
    found: list[dict[str, Any]] = answer["verdicts"]
    return found


def _faults(verdict: Mapping[str, Any], expected: int) -> Iterator[str]:
    point = verdict["point"]
    if verdict["failure"]:
        yield f"  {point}: {verdict['failure']}"
    elif not verdict["killed"]:
        yield f"  {point}: no run came to this point: does `extract` give the records of the upstream?"
    for fault, (words, hint) in _FAULTS.items():
        if ids := verdict[fault]:
            yield f"  {point}: {len(ids)} records (of {expected}) are {words}: {_shown(ids)}\n    {hint}"


def _shown(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(ids[:_SHOWN]) + more
