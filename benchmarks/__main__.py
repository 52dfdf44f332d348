"""`make bench`: one table, or with --json one object, of all measurements on a dev stack with Apache Kafka.

Measurements that are compared run in turns, so that whatever else the machine does meets all of them; the
median of the rounds counts. A round before them, of which nothing counts, warms up the broker, which is new.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console
from rich.table import Table

from benchmarks.child import run_child
from devstack.stack import Addresses, DevStack

SMALL, LARGE = 100_000, 3_000_000
PARTITIONS = 2
LOADED = "bench"
CHECKPOINTS = (1_000, 5_000, 20_000)
talk = Console(stderr=True)


def main() -> int:
    """Measure everything; print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--records", type=int, default=1_000_000, help="records of each speed measurement")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the median counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as folder, DevStack(Path(folder)) as stack:
        os.environ.update(stack.environment())
        os.environ["INGEST_PRODUCER__TOPIC_PARTITIONS"] = str(PARTITIONS)
        talk.print(f"broker: {stack.addresses.broker}")
        figures: dict[str, Any] = {
            "producer": _producers(stack.addresses, options.records, options.rounds),
            "transactions": _transactions(options.records, options.rounds),
            "loader": _loaders(stack.addresses, options.records, options.rounds),
            "peak_mb": _memory(),
        }
    if options.json:
        print(json.dumps(figures))
    else:
        _print_table(figures, options.records, options.rounds)
    return 0


def _producers(addresses: Addresses, records: int, rounds: int) -> dict[str, int]:
    """Records per second from a generator of dicts to the last acknowledgement. Fills the loaders' topic."""
    rates: dict[str, list[float]] = {"ingest": [], "serializing_producer": []}
    talk.print("warming up")
    for turn in range(-1, rounds):
        prefix = LOADED if turn == 0 else f"{LOADED}{turn}"
        rates["ingest"].append(_rate("ingest_producer", prefix, records))
        topic = f"peer{turn}"
        _create(addresses, topic)
        servers, registry = addresses.bootstrap_servers, addresses.registry_url
        rates["serializing_producer"].append(_rate("serializing_producer", servers, topic, records, registry))
    return _medians({name: counted for name, (_, *counted) in rates.items()})


def _loaders(addresses: Addresses, records: int, rounds: int) -> dict[str, int]:
    """Rows per second from the first message to the last row, of the topic that `_producers` filled."""
    topic = f"{LOADED}.readings"
    reading = (addresses.bootstrap_servers, topic, records)
    decoding = (*reading, addresses.clickhouse_url, addresses.registry_url)
    rates: dict[str, list[float]] = {"ingest": [], "fastavro": [], "confluent": [], "bare_consume": []}
    for _ in range(rounds):
        rates["ingest"].append(_rate("ingest_loader", LOADED, records))
        rates["fastavro"].append(_rate("fastavro", *decoding))
        rates["confluent"].append(_rate("confluent", *decoding))
        rates["bare_consume"].append(_rate("bare_consume", *reading))
    return _medians(rates)


def _transactions(records: int, rounds: int) -> dict[str, dict[str, int]]:
    """Records per second by records in a checkpoint, with transactions and with idempotence only."""
    figures = {}
    for size in CHECKPOINTS:
        rates: dict[str, list[float]] = {"ingest": [], "idempotent": []}
        for turn in range(rounds):
            for name, measured in rates.items():
                prefix = f"{name}{size}x{turn}"
                measured.append(_rate(f"{name}_producer", prefix, records, size))
        figures[f"{size:,}"] = _medians(rates)
    return figures


def _memory() -> dict[str, int]:
    """Peak resident memory in MB of each daemon's work, for few and for many records."""
    peaks = {}
    for name, records in (("100k", SMALL), ("3m", LARGE)):
        prefix = f"memory{name}"
        peaks[f"producer_{name}"] = round(run_child("ingest_producer", prefix, records)["peak_mb"])
        peaks[f"consumer_{name}"] = round(run_child("ingest_loader", prefix, records)["peak_mb"])
        talk.print(f"peak memory, {records:,} records: {peaks}")
    return dict(sorted(peaks.items(), reverse=True))


def _rate(name: str, *arguments: object) -> float:
    report = run_child(name, *arguments)
    rate: float = report["records"] / report["seconds"]
    talk.print(f"{name}: {rate:,.0f} records/s, {report['peak_mb']:.0f} MB")
    return rate


def _medians(rates: dict[str, list[float]]) -> dict[str, int]:
    return {name: round(statistics.median(values)) for name, values in rates.items()}


def _create(addresses: Addresses, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": addresses.bootstrap_servers})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)


def _print_table(figures: dict[str, Any], records: int, rounds: int) -> None:
    table = Table("what", "figure", "ours is", title=f"{records:,} ten-field records, median of {rounds}")
    for group in ("loader", "producer"):
        own = figures[group]["ingest"]
        for name, rate in figures[group].items():
            table.add_row(f"{group} {name}, records/s", f"{rate:,}", f"{own / rate:.2f} ×")
    for size, rates in figures["transactions"].items():
        own, other = rates["ingest"], rates["idempotent"]
        what = f"producer, {size} records a checkpoint, idempotent only"
        table.add_row(what, f"{other:,}", f"{own / other:.2f} × ({own:,})")
    for name, peak in figures["peak_mb"].items():
        table.add_row(f"peak memory {name}, MB", str(peak), "")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
