"""SIGKILL at exact points of a transaction, round after round: each record of the source is there once."""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from devstack.processes import ChildProcess
from runtime.settings import Settings
from schemas.names import Names
from tests.integration.chaos.neighbours import Neighbours
from tests.integration.chaos.report import ROUNDS, Finding
from tests.integration.chaos.sources import LAST, TOTAL, write_source
from tests.integration.producer.publishing import store_of, topics_of
from tests.integration.producer.support import NOON, ids, records
from tests.kafka_proxy import Api, KafkaProxy, Point

pytestmark = pytest.mark.requires_kafka

SECONDS = 120.0


@dataclass(frozen=True)
class Where:
    """`arm` sets the point at one of the first `most` requests; `answered`: it passes before the SIGKILL."""

    arm: Callable[[KafkaProxy, str, int], Point]
    most: int
    answered: bool = False


def after_end_txn(proxy: KafkaProxy, about: str, nth: int) -> Point:
    return proxy.hold_response(Api.END_TXN, about=about, nth=nth)


# A transaction has one EndTxn and a Produce for each partition and batch.
POINTS = {
    "before begin": Where(lambda proxy, about, _: proxy.hold_response(Api.INIT_PRODUCER_ID, about=about), 1),
    "after produce": Where(
        lambda proxy, about, nth: proxy.hold_response(Api.PRODUCE, about=about, nth=nth), most=30
    ),
    "EndTxn unsent": Where(
        lambda proxy, about, nth: proxy.hold_request(Api.END_TXN, about=about, nth=nth), most=8
    ),
    "EndTxn answer withheld": Where(after_end_txn, most=8),
    "after commit": Where(after_end_txn, most=8, answered=True),
}


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
    source = Source(kind, tmp_path, {**environment, "INGEST_KAFKA__BOOTSTRAP_SERVERS": proxy.address})
    chance = random.Random(f"{point} {kind}")
    about = Names(settings.topic_prefix).transactional_id(kind)
    places = prepared_places(settings, kind)
    started, killed = time.monotonic(), 0
    # One of them hangs in one round of the matrix: each start then waits until the broker has ended it.
    hanging = (point, kind) == ("EndTxn answer withheld", "unordered")
    with Neighbours(settings.kafka.bootstrap_servers, places, hanging=hanging):
        for _ in range(ROUNDS):
            where = POINTS[point]
            reached = where.arm(proxy, about, chance.randint(1, where.most))
            killed += source.killed_at(reached, answered=where.answered)
        source.completes()
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


class Source:
    """`ingest run` of one source, as a process."""

    def __init__(self, kind: str, folder: Path, environment: dict[str, str]) -> None:
        own = {
            "INGEST_CONNECTORS__PATHS": str(folder),
            "INGEST_PRODUCER__CHECKPOINT_RECORDS": "200",
            "INGEST_PRODUCER__SLICE_RECORDS": "50",
        }
        command = [str(Path(sys.executable).with_name("ingest")), "run", kind]
        self._process = ChildProcess(
            kind, command, log=folder / "log", env={**os.environ, **environment, **own}
        )

    def killed_at(self, point: Point, *, answered: bool) -> bool:
        """Run until the point is reached, then SIGKILL; False if the run was over before."""
        self._process.start()
        deadline = time.monotonic() + SECONDS
        while self._process.running and not point.reached:
            assert time.monotonic() < deadline, self._process.log_tail()
            time.sleep(0.005)
        reached = point.reached and self._process.running
        assert reached or self._process.exit_code == 0, self._process.log_tail()
        if answered:
            point.release()
            time.sleep(0.002)
        self._process.kill()
        point.drop()
        return reached

    def completes(self) -> None:
        """Run to the end of the source."""
        self._process.start()
        assert self._process.wait(SECONDS) == 0, self._process.log_tail()


def finding(settings: Settings, name: str, kind: str, seconds: float) -> Finding:
    """What a read_committed reader sees, whether the cursor is right, and whether the ledger balances."""
    found = Counter(ids(settings, kind, settled=True))
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
    return [entry for entry in records(settings, "ledger", only_framed=True, settled=True)]
