"""Puts the producer's parts together, for the daemon and for a single run."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from connectors.registry import ConnectorRegistry
from producer.cursors import CursorStore
from producer.engine import UNSHARED, IngestionEngine
from producer.limiter import RateLimiter
from producer.limits.store import LimitsStore
from producer.metrics import WAITING
from producer.ownership import Ownership
from producer.preparation import Preparation
from producer.publisher import Publisher
from producer.tail import Tails
from producer.target import Target, producer_properties
from producer.topics import Topics
from producer.transactions import Transactions
from producer.waiting import Waiting
from runtime.kafka import client_properties
from runtime.settings import Settings
from schemas.names import Names
from schemas.registry import SchemaRegistry


@dataclass(frozen=True)
class Parts:
    """What a daemon or a single run works with; `abandon` ends waits for the broker."""

    limiter: RateLimiter

    engine: IngestionEngine
    topics: Topics
    cursors: CursorStore
    schemas: SchemaRegistry
    abandon: threading.Event


@contextmanager
def assembled(
    settings: Settings,
    connectors: ConnectorRegistry,
    *,
    ownership: Ownership = UNSHARED,
    abandon: threading.Event | None = None,
) -> Iterator[Parts]:
    """Build all parts; connects to nothing yet. `ownership` says which sources may be run."""
    abandon = abandon or threading.Event()
    names = Names(settings.topic_prefix)
    properties = client_properties(settings.kafka)
    topics = Topics(properties, settings.producer)
    reader = client_properties(settings.kafka, **{"group.id": "ingest-cursors", "fetch.wait.max.ms": 10})
    cursors = CursorStore(reader, names.cursors, lambda: topics.partitions(names.cursors))
    classes = {name: plugin.cls for name, plugin in connectors.sources.items()}

    def open_publisher(target: Target) -> Publisher:
        waiting = Waiting(
            f"acknowledgements from {settings.kafka.bootstrap_servers}",
            on_change=WAITING.labels(target.source).set,
        )
        properties = producer_properties(settings, target)

        def open_epoch(explain: bool) -> Transactions:
            return Transactions(properties, target, abandon=abandon, waiting=waiting, explain=explain)

        return Publisher(
            target,
            open_epoch=open_epoch,
            load=cursors.load,
            ends=topics.ends,
            owned=lambda: ownership.owned(target.source, waiting),
            sleep=abandon.wait,
        )

    registry = settings.registry
    with (
        SchemaRegistry(registry.url, basic_auth=registry.basic_auth, ca_file=registry.ca_file) as schemas,
        LimitsStore(properties, reader, names.limits, lambda: topics.partitions(names.limits)) as limits,
    ):
        preparation = Preparation(connectors, schemas, topics, names, settings.sources)
        limiter = RateLimiter.of(classes, store=limits)
        engine = IngestionEngine(
            preparation,
            limiter,
            Tails(reader),
            topics,
            open_publisher,
            settings.producer,
            ownership=ownership,
        )
        # What the imports made stays for ever; collections that skip it save a third of the time of a record.
        gc.collect()
        gc.freeze()
        yield Parts(limiter, engine, topics, cursors, schemas, abandon)
