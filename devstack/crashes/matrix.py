"""What a source has left in Kafka after it was killed at a point, round after round."""

import random
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from devstack.crashes.points import POINTS
from devstack.crashes.victim import RunFailedError, Victim
from devstack.kafka_proxy import KafkaProxy
from runtime.kafka import client_properties
from runtime.settings import Settings, load_settings
from runtime.topic_reader import read_to_end
from schemas.names import Names

# So many transactions to a round, as far as there are records for them: it is killed in the midst of them.
TRANSACTIONS = 4


@dataclass(frozen=True)
class Subject:
    """The source to kill: `environment` leads `ingest run` to it and to the servers, `expected` are the ids
    of one uninterrupted run, `resumes` says that a next run has nothing new to publish.
    """

    source: str
    environment: Mapping[str, str]
    expected: Sequence[str]
    rounds: int
    resumes: bool

    @property
    def slice_records(self) -> int:
        """Records of a transaction: an odd number, to end between two that share a value of the cursor."""
        return _odd(len(self.expected) // (TRANSACTIONS * (self.rounds + 1)))


@dataclass(frozen=True)
class Verdict:
    """What a read_committed reader found after kills at a point, in ids.

    `again` are those that a run after all others has published once more; `failure` is what ended a run.
    """

    point: str
    killed: int = 0
    missing: Sequence[str] = ()
    doubled: Sequence[str] = ()
    unexpected: Sequence[str] = ()
    again: Sequence[str] = ()
    failure: str | None = None


def verdict(subject: Subject, point: str, folder: Path) -> Verdict:
    """Kill the source at the point in each round, let it complete, run it again; its topics are its own."""
    settings, own = _apart(subject)
    log = folder / f"{point.replace(' ', '-')}.log"
    with KafkaProxy(settings.kafka.bootstrap_servers) as proxy:
        victim = Victim(subject.source, {**own, "INGEST_KAFKA__BOOTSTRAP_SERVERS": proxy.address}, log=log)
        try:
            return _verdict(subject, point, settings, proxy, victim)
        except RunFailedError as exc:
            return Verdict(point, failure=str(exc))
        finally:
            victim.end()


def _verdict(subject: Subject, point: str, settings: Settings, proxy: KafkaProxy, victim: Victim) -> Verdict:
    about = Names(settings.topic_prefix).transactional_id(subject.source)
    killed = victim.killed(proxy, POINTS[point], about, places(subject, point))
    victim.completes()
    found = published(settings, subject.source)
    if subject.resumes:
        victim.completes()
    again = published(settings, subject.source) - found
    expected = Counter(subject.expected)
    more = found - expected
    return Verdict(
        point,
        killed,
        missing=list((expected - found).elements()),
        doubled=list(expected & more),
        unexpected=[id for id in more if id not in expected],
        again=list(again),
    )


def published(settings: Settings, source: str) -> Counter[str]:
    """The ids in the topic of a source as a read_committed reader sees them, and how often."""
    reader = client_properties(settings.kafka, **{"fetch.wait.max.ms": 10})
    messages = read_to_end(reader, Names(settings.topic_prefix).topic(source), timeout=30)
    return Counter((message.key() or b"").decode(errors="replace") for message in messages)


def places(subject: Subject, point: str) -> list[int]:
    """The request at which each round is killed, so that something is left for every later one."""
    transactions = ceil(len(subject.expected) / subject.slice_records)
    most = POINTS[point].most(_odd(transactions // (subject.rounds + 1)))
    chance = random.Random(f"{point} {subject.source}")  # noqa: S311 - to vary, the same each time
    # The first in the midst of the source, or a cursor that runs ahead would not be noticed.
    return [most, *(chance.randint(1, most) for _ in range(subject.rounds - 1))]


def _odd(number: int) -> int:
    return max(1, number - 1 + number % 2)


def _apart(subject: Subject) -> tuple[Settings, dict[str, str]]:
    """Settings and variables with topics of the point's own."""
    records = str(subject.slice_records)
    own: dict[str, Any] = {
        "INGEST_TOPIC_PREFIX": f"crashes-{secrets.token_hex(4)}",
        "INGEST_PRODUCER__CHECKPOINT_RECORDS": records,
        "INGEST_PRODUCER__SLICE_RECORDS": records,
    }
    environment = {**subject.environment, **own}
    return load_settings(env=environment), environment
