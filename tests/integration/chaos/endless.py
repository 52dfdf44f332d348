"""A source that counts until it is told to stop, and what a read_committed reader sees of its runs."""

import socket
from collections import Counter, defaultdict

from devstack.processes import ChildProcess
from runtime.settings import Settings
from schemas.names import Names
from schemas.registry import SchemaRegistry
from tests.integration.chaos.report import Finding
from tests.integration.producer.support import decoded, messages, records


def writer(process: ChildProcess) -> str:
    """The name by which a process signs."""
    return f"{socket.gethostname()}:{process.pid}"


def runs_of(settings: Settings, source: str) -> dict[str, str]:
    """Writer by run, of all that have committed records, in the order of their first checkpoints."""
    entries = records(settings, "ledger", only_framed=True)
    entries = [entry for entry in entries if entry["source"] == source and entry["published"]]
    entries.sort(key=lambda entry: entry["written"])
    return {entry["run_id"]: entry["writer"] for entry in entries}


def published_by(settings: Settings, source: str, writer: str) -> bool:
    return writer in runs_of(settings, source).values()


def finding_of(
    settings: Settings, source: str, name: str, rounds: int, seconds: float, note: str = ""
) -> Finding:
    """Numbers that are missing or double; wrong is a record behind the first one of a later run."""
    order = {run_id: place for place, run_id in enumerate(runs_of(settings, source))}
    numbers, late, newest = Counter[int](), 0, defaultdict[int, int](int)
    with SchemaRegistry(settings.registry.url) as registry:
        for message in messages(settings, Names(settings.topic_prefix).topic(source)):
            record, partition = decoded(registry, message), message.partition() or 0
            numbers[record["id"]] += 1
            place = order[record["_run_id"]]
            late += place < newest[partition]
            newest[partition] = max(place, newest[partition])
    return Finding(
        name=name,
        rounds=rounds,
        records=numbers.total(),
        missing=max(numbers, default=-1) + 1 - len(numbers),
        duplicates=numbers.total() - len(numbers),
        wrong=late,
        seconds=round(seconds, 1),
        note=note,
    )
