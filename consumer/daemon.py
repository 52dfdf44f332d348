"""The loading daemon: puts the parts together, keeps them running, and lets go in order.

Nothing has to be there when it starts: broker, registry and ClickHouse are waited for, each by name.
"""

import time
from contextlib import ExitStack

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from consumer.clickhouse import ClickHouse
from consumer.dead_letters import DeadLetters
from consumer.errors import BrokerAwayError
from consumer.loading import BatchLoader
from consumer.originals import Originals
from consumer.overview import Overview
from consumer.plans import Plans
from consumer.session import Session
from consumer.subscription import consumer_properties
from consumer.workers import Workers
from runtime.errors import PlatformError, SettingsError
from runtime.exit_codes import ExitCode
from runtime.health import HealthServer
from runtime.heap import collect_rarely, share_one_arena
from runtime.kafka import check_properties, client_properties
from runtime.logging import configure_logging
from runtime.redaction import secret_values
from runtime.settings import Settings
from runtime.stopping import Deadline, Stopping
from schemas.errors import RegistryRefusedError
from schemas.names import Names
from schemas.registry import SchemaRegistry

STUCK_SECONDS = 120.0
REOPEN_SECONDS = 5.0
CHECK_SECONDS = 2.0
# Some chunks of messages; what else is new in the loader is little.
_YOUNG_OBJECTS = 20_000
_log = structlog.get_logger(__name__)


def main(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code.

    0 after a drain, 3 if the settings cannot be worked with, 4 if the health port is taken.
    """
    configure_logging(settings.log, daemon=True, secrets=secret_values(settings))
    try:
        _check(settings)
        with Stopping() as stopping:
            return LoaderDaemon(settings, stopping).run()
    except (PlatformError, RegistryRefusedError) as exc:
        _log.error("cannot_start", error=str(exc))
        taken = isinstance(exc, PlatformError) and not isinstance(exc, SettingsError)
        return ExitCode.UNREACHABLE if taken else ExitCode.CONFIG


def _check(settings: Settings) -> None:
    """Refuse what would only be found later, or not at all: SettingsError."""
    if settings.clickhouse.cluster is not None:
        raise SettingsError(
            f"INGEST_CLICKHOUSE__CLUSTER={settings.clickhouse.cluster}: tables ON CLUSTER are not built yet, "
            "and tables of one server would hold a part of the rows each. Leave it unset and load one server"
        )
    check_properties(settings.kafka)


class LoaderDaemon:
    """One member of the group of loaders."""

    def __init__(self, settings: Settings, stopping: Stopping) -> None:
        # Before the clients start their threads.
        share_one_arena()
        self._settings = settings
        self._stopping = stopping
        self._names = Names(settings.topic_prefix)
        self._beat = time.monotonic
        self._health: HealthServer | None = None
        self._admin = AdminClient(client_properties(settings.kafka))
        self._clickhouse = ClickHouse(settings.clickhouse)
        self._overview = Overview(secret_values(settings))

    def run(self) -> int:
        """Serve health, load until asked to stop, drain; returns the exit code."""
        with ExitStack() as open_things:
            registry = open_things.enter_context(self._registry())
            open_things.enter_context(self._clickhouse)
            checks = {"kafka": self._kafka_check, "clickhouse": self._clickhouse.ping}
            details = {"partitions": self._overview.partitions, "topics": self._overview.topics}
            self._health = open_things.enter_context(
                HealthServer(self._settings.http, checks, alive={"loop": self._alive}, details=details)
            )
            _log.info("loader_started", health=self._health.address, topics=self._names.source_topics)
            letters = open_things.enter_context(self._dead_letters())
            batch_loader = self._batch_loader(registry, letters)
            workers = open_things.enter_context(Workers(batch_loader.load))
            self._overview.watch_workers(workers)
            collect_rarely(_YOUNG_OBJECTS)
            while not self._stopping.requested:
                self._load_until_stopped_or_lost(workers)
        _log.info("loader_ended", reason=self._stopping.reason)
        return ExitCode.OK

    def _load_until_stopped_or_lost(self, workers: Workers) -> None:
        try:
            with Session(self._settings, self._names, self._admin, workers) as loader:
                self._beat = lambda: loader.beat
                self._overview.watch_loader(loader)
                loader.run(self._stopping.event)
                if self._health is not None:
                    self._health.drain()
                loader.drain(Deadline(self._settings.consumer.drain_seconds))
        except (BrokerAwayError, KafkaException) as exc:
            _log.error("consumer_lost", error=str(exc), then="it is opened anew", seconds=REOPEN_SECONDS)
            self._stopping.wait(REOPEN_SECONDS)

    def _registry(self) -> SchemaRegistry:
        registry = self._settings.registry
        return SchemaRegistry(registry.url, basic_auth=registry.basic_auth, ca_file=registry.ca_file)

    def _dead_letters(self) -> DeadLetters:
        return DeadLetters(client_properties(self._settings.kafka), self._admin, self._names)

    def _batch_loader(self, registry: SchemaRegistry, letters: DeadLetters) -> BatchLoader:
        group = f"{self._settings.consumer.group}-originals"
        originals = Originals(consumer_properties(self._settings, **{"group.id": group}))
        plans = Plans(registry, self._clickhouse, self._names)
        return BatchLoader(plans, self._clickhouse, letters, originals)

    def _kafka_check(self) -> str | None:
        try:
            self._admin.list_topics(timeout=CHECK_SECONDS)
        except KafkaException as exc:
            return f"broker at {self._settings.kafka.bootstrap_servers} does not answer: {exc.args[0].str()}"
        return None

    def _alive(self) -> str | None:
        silent = time.monotonic() - self._beat()
        return f"the consuming thread has not moved for {silent:.0f} s" if silent > STUCK_SECONDS else None
