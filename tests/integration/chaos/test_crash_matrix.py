"""SIGKILL at exact points of a transaction, round after round: each record of the source is there once."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from devstack.crashes import POINTS, Victim
from devstack.kafka_proxy import KafkaProxy
from runtime.settings import Settings
from schemas.names import Names
from tests.integration.chaos.neighbours import Neighbours
from tests.integration.chaos.report import ROUNDS, Finding
from tests.integration.chaos.sources import LAST, TOTAL, write_source
from tests.integration.producer.publishing import store_of, topics_of
from tests.integration.producer.support import NOON, ids, records

pytestmark = pytest.mark.requires_kafka

# A round is killed at one of the first so many transactions.
TRANSACTIONS = 8


@pytest.fixture
def proxy(settings: Settings) -> Iterator[KafkaProxy]:
    with KafkaProxy(settings.kafka.bootstrap_servers) as proxy:
        yield proxy


@pytest.mark.parametrize("kind", ["ordered", "unordered", "tied"])
@pytest.mark.parametrize("point", POINTS)
def test_each_record_is_there_once(
    settings: Settings, environment: dict[str, str], tmp_path: Path, proxy: KafkaProxy, point: str, kind: str
) -> None:
    write_source(tmp_path, kind)
    victim = victim_of(kind, tmp_path, {**environment, "INGEST_KAFKA__BOOTSTRAP_SERVERS": proxy.address})
    chance = random.Random(f"{point} {kind}")
    most = POINTS[point].most(TRANSACTIONS)
    about = Names(settings.topic_prefix).transactional_id(kind)
    places = prepared_places(settings, kind)
    started = time.monotonic()
    # One of them hangs in one round of the matrix: each start then waits until the broker has ended it.
    hanging = (point, kind) == ("EndTxn answer withheld", "unordered")
    with Neighbours(settings.kafka.bootstrap_servers, places, hanging=hanging):
        killed = victim.killed(proxy, POINTS[point], about, (chance.randint(1, most) for _ in range(ROUNDS)))
        victim.completes()
    found = finding(settings, f"producer killed: {point}, {kind}", kind, time.monotonic() - started)
    found.write()
    assert killed > 0
    assert (found.missing, found.duplicates, found.wrong) == (0, 0, 0)


def prepared_places(settings: Settings, kind: str) -> list[tuple[str, int]]:
    """All partitions of the topics that sources share; they are there already."""
    names, topics = Names(settings.topic_prefix), topics_of(settings)
    topics.ensure_state(names)
    topics.ensure_source(names.topic(kind), names.dead_letter_topic(names.topic(kind)), names.ledger)
    shared = (names.cursors, names.ledger)
    return [(topic, one) for topic in shared for one in range(topics.partitions(topic))]


def victim_of(kind: str, folder: Path, environment: dict[str, str]) -> Victim:
    """`ingest run` of the source: fifteen transactions of it."""
    own = {
        "INGEST_CONNECTORS__PATHS": str(folder),
        "INGEST_PRODUCER__CHECKPOINT_RECORDS": "200",
        "INGEST_PRODUCER__SLICE_RECORDS": "50",
    }
    return Victim(kind, {**os.environ, **environment, **own}, log=folder / "log")


def finding(settings: Settings, name: str, kind: str, seconds: float) -> Finding:
    """What a read_committed reader sees, whether the cursor is right, and whether the ledger balances."""
    found = Counter(ids(settings, kind))
    stored = store_of(settings).load(kind)
    cursor = None if stored is None else datetime.fromisoformat(str(stored.cursor))
    entries = [entry for entry in ledger(settings) if entry["source"] == kind]
    sums = [entry["published"] + entry["rejected"] + entry["deduplicated"] for entry in entries]
    return Finding(
        name=name,
        rounds=ROUNDS,
        records=TOTAL,
        missing=len(set(range(TOTAL)) - set(found)),
        duplicates=sum(times - 1 for times in found.values()),
        wrong=len(set(found) - set(range(TOTAL)))
        + (cursor != NOON + timedelta(seconds=LAST[kind]))
        + (sum(entry["published"] for entry in entries) != TOTAL)
        + ([entry["extracted"] for entry in entries] != sums),
        seconds=round(seconds, 1),
    )


def ledger(settings: Settings) -> list[dict[str, Any]]:
    return [entry for entry in records(settings, "ledger", only_framed=True)]
