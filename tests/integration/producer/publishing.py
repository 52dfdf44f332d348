"""What the tests of publishing share: a target with its topics, a publisher, checkpoints, their closing."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from producer.checkpoint import Checkpoint, Limits
from producer.cursors import CursorStore
from producer.dead_letters import Letter
from producer.positions import Ends, Position
from producer.publisher import Closing, Publisher
from producer.target import Target, producer_properties
from producer.topics import Topics
from producer.transactions import Transactions
from producer.waiting import Waiting
from runtime.kafka import client_properties
from runtime.settings import Settings
from schemas.names import Names

AT = datetime(2026, 1, 1, tzinfo=UTC)


def topics_of(settings: Settings) -> Topics:
    return Topics(client_properties(settings.kafka), settings.producer)


def target_of(settings: Settings, source: str = "weather") -> Target:
    """A source's target; its topics and the cursors' are there."""
    names, topics = Names(settings.topic_prefix), topics_of(settings)
    topic = names.topic(source)
    dead_letters = names.dead_letter_topic(topic)
    topics.ensure_state(names)
    limit = topics.ensure_source(topic, dead_letters, names.ledger)
    identity = names.transactional_id(source)
    return Target(source, topic, dead_letters, names.cursors, names.ledger, identity, limit)


def store_of(settings: Settings) -> CursorStore:
    topics, cursors = topics_of(settings), Names(settings.topic_prefix).cursors
    reader = client_properties(settings.kafka, **{"group.id": "test", "fetch.wait.max.ms": 10})
    return CursorStore(reader, cursors, lambda: topics.partitions(cursors))


@contextmanager
def publishing(
    settings: Settings,
    target: Target,
    *,
    abandon: threading.Event | None = None,
    waiting: Waiting | None = None,
    through: Settings | None = None,
    owned: Callable[[], bool] = lambda: True,
    sleep: Callable[[float], object] = time.sleep,
    **properties: Any,
) -> Iterator[Publisher]:
    """A publisher whose producer speaks to the broker of `through`, everything else to that of `settings`."""
    own = {**producer_properties(through or settings, target), **properties}
    abandon, waiting = abandon or threading.Event(), waiting or Waiting("the broker")
    topics, store = topics_of(settings), store_of(settings)

    def ends(asked: Sequence[str]) -> Ends:
        return topics.ends(asked)

    with Publisher(
        target,
        open_epoch=lambda explain: Transactions(
            own, target, abandon=abandon, waiting=waiting, explain=explain
        ),
        load=store.load,
        ends=ends,
        owned=owned,
        sleep=sleep,
    ) as publisher:
        yield publisher


def checkpoint_of(messages: list[dict[str, Any]], letters: Sequence[Letter] = ()) -> Checkpoint:
    checkpoint = Checkpoint(Limits(1 << 30, 1 << 30, 1e9))
    checkpoint.add(messages, letters, 0, 0)
    return checkpoint


def batch(count: int, size: int = 100, first: int = 0) -> list[dict[str, Any]]:
    return [{"key": b"%d" % number, "value": b"x" * size} for number in range(first, first + count)]


def closing(source: str = "weather", number: int = 1, **other: Any) -> Callable[[Ends], Closing]:
    """What closes the checkpoint `number` of the run r1."""
    named = {"cursor": number, "run_id": "r1", "at": AT, "writer": "here:1", **other}
    position = Position(source=source, checkpoint=number, **named)
    return lambda ends: Closing(position, (b"entry", b"entry %d" % number), ends)
