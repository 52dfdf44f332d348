"""One producer's place in the group of producers: partitions of the jobs topic come and go (P9).

Owning a partition means to run the sources whose jobs are in it; what that takes is the custody's. The place
is proven by commits that the broker accepts: an answer to a poll says nothing after a suspension.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from producer.custody import Custody
from producer.jobs import Request, parse_request
from producer.lease import TimedLease
from producer.members import member_id
from runtime.kafka import client_properties
from runtime.settings import Settings
from runtime.stopping import Deadline

_WAIT = 0.1
_REOPEN_SECONDS = 1.0
_CHUNK = 500
_JOIN_SECONDS = 3.0
# Of the session: the lease has lapsed before the broker gives the place to anybody else.
_LEASE_SHARE = 0.6
# Of the lease: how often it is proven.
_PROOF_SHARE = 0.2
# Tansu needs sessions of a second, in which nothing can be proven in time; it does not fence either.
_LEAST_LEASE = 3.0
_log = structlog.get_logger(__name__)


def session_seconds(settings: Settings) -> float:
    """After how much silence the broker takes the place away."""
    chosen = settings.kafka.properties.get("session.timeout.ms")
    return settings.producer.session_seconds if chosen is None else float(str(chosen)) / 1000


def lease_seconds(settings: Settings) -> float:
    """How long a proof of membership is good for."""
    return max(_LEAST_LEASE, _LEASE_SHARE * session_seconds(settings))


@dataclass
class _Share:
    """A partition that is ours. `whole`: it has been read to its end, from then on jobs come live."""

    requests: dict[bytes, Request] = field(default_factory=dict)
    place: int = 0
    whole: bool = False


class Fleet:
    """Follows the group in a thread of its own. Use it `with`; at the end it leaves the group.

    A place lost without a word (session expired: broker away, process suspended) leaves its sources in doubt:
    they ask nothing and begin no epoch until the next assignment says whose they are.
    """

    def __init__(self, settings: Settings, topic: str, custody: Custody, membership: TimedLease) -> None:
        self._topic = topic
        self._custody = custody
        self._membership = membership
        self._revoke_seconds = settings.producer.revoke_seconds
        self._proof_seconds = _PROOF_SHARE * lease_seconds(settings)
        self._properties = _properties(settings)
        self._close_seconds = settings.producer.drain_seconds
        self._shares: dict[int, _Share] = {}
        self._in_doubt: set[int] = set()
        self._asked: deque[tuple[float, ...]] = deque()
        self._asked_at = 0.0
        self._closing = threading.Event()
        self._joined = False
        self._thread = threading.Thread(target=self._follow, name="fleet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._closing.is_set():
            self.close(self._close_seconds)

    def close(self, seconds: float) -> None:
        """Leave the group, so that others need not wait for the session's end."""
        self._closing.set()
        self._thread.join(seconds)

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                self._member()
            except Exception as exc:
                _log.exception("fleet_left_by_error", error=str(exc))
                self._membership.revoke(f"its consumer failed: {exc}")
                self._in_doubt |= self._shares.keys()
                self._shares.clear()
                self._closing.wait(_REOPEN_SECONDS)

    def _member(self) -> None:
        self._asked.clear()
        self._joined = False
        consumer = Consumer({**self._properties, "on_commit": self._on_commit})
        consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        try:
            while not self._closing.is_set():
                for message in consumer.consume(_CHUNK, timeout=_WAIT):
                    self._read(message)
                self._ask_for_proof(consumer)
        finally:
            self._finish_joining(consumer)
            consumer.close()

    def _finish_joining(self, consumer: Consumer) -> None:
        """Tansu waits for ever for a member that has left while it joined, and gives nobody anything."""
        deadline = Deadline(_JOIN_SECONDS)
        while not self._joined and not deadline.expired:
            consumer.poll(_WAIT)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._joined = True
        given = {one.partition for one in partitions}
        elsewhere, self._in_doubt = self._in_doubt - given, set()
        self._custody.give_up(elsewhere, Deadline(0))
        for partition in given:
            self._shares[partition] = _Share()
        consumer.incremental_assign([TopicPartition(self._topic, one, OFFSET_BEGINNING) for one in given])
        self._asked_at = 0.0
        _log.info("partitions_assigned", partitions=sorted(given), owned=len(self._shares))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {one.partition for one in partitions}
        self._custody.give_up(gone, Deadline(self._revoke_seconds))
        for partition in gone:
            self._shares.pop(partition, None)
        _log.info("partitions_revoked", partitions=sorted(gone), owned=len(self._shares))

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._membership.revoke("its place in the group was lost")
        gone = {one.partition for one in partitions}
        for partition in gone:
            self._shares.pop(partition, None)
        self._in_doubt |= gone
        _log.warning("partitions_lost", partitions=sorted(gone))

    def _read(self, message: Message) -> None:
        error, share = message.error(), self._shares.get(_partition(message))
        if error is not None:
            self._handle(error, message)
            return
        if share is None:
            return
        share.place = (message.offset() or 0) + 1
        key = message.key() or b""
        request = None if message.value() is None else parse_request(message)
        if not share.whole:
            # Compaction is late: the newest record counts.
            share.requests.pop(key, None)
            if request is not None:
                share.requests[key] = request
        elif request is not None:
            self._custody.offer(_partition(message), request)
        elif message.value() is None:
            self._custody.cancel(_partition(message), key.decode(errors="replace"))

    def _handle(self, error: KafkaError, message: Message) -> None:
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's public name of the event
            if error.fatal():
                raise KafkaException(error)
            _log.warning("jobs_not_read", error=error.str())
            return
        share = self._shares.get(_partition(message))
        if share is not None and not share.whole:
            share.whole = True
            requests, share.requests = list(share.requests.values()), {}
            self._custody.take(_partition(message), requests)

    def _ask_for_proof(self, consumer: Consumer) -> None:
        """Commit where we are: the broker accepts that of a member only. What is committed is of no use."""
        now = time.monotonic()
        if not self._shares or now - self._asked_at < self._proof_seconds:
            return
        self._asked_at = now
        places = [TopicPartition(self._topic, one, share.place) for one, share in self._shares.items()]
        self._asked.append(self._membership.moment())
        try:
            consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as exc:
            self._asked.pop()
            _log.info("membership_not_proven", error=str(exc))

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        # Answers come in the order of the questions; were one left out, the proof would count as older.
        if not self._asked:
            return
        asked_at = self._asked.popleft()
        if error is None and all(one.error is None for one in partitions) and self._shares:
            self._membership.grant(asked_at)


def _properties(settings: Settings) -> Mapping[str, Any]:
    chosen = settings.kafka.properties
    session = int(session_seconds(settings) * 1000)
    preferred = {"session.timeout.ms": session, "heartbeat.interval.ms": max(200, session // 4)}
    properties = client_properties(
        settings.kafka,
        **{name: value for name, value in preferred.items() if name not in chosen},
        **{
            "group.id": settings.producer.group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "fetch.wait.max.ms": 100,
        },
    )
    return {**properties, "client.id": member_id(properties["client.id"])}


def _partition(message: Message) -> int:
    partition = message.partition()
    return -1 if partition is None else partition
