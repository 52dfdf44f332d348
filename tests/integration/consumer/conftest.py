"""Sources to publish to and loaders to run, for tests against a real broker, registry and ClickHouse."""

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, cast

import clickhouse_connect
import fastavro
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumer.clickhouse import ClickHouse
from consumer.daemon import LoaderDaemon
from runtime.kafka import client_properties
from runtime.settings import Settings
from runtime.stopping import Stopping
from runtime.topic_reader import read_to_end
from schemas.names import Names
from schemas.registry import SchemaRegistry
from schemas.wire import frame
from tests.daemon_process import DaemonProcess

DEADLINE = 60.0
Pairs = list[tuple[str, bytes | None]]

ENVELOPE: list[dict[str, Any]] = [
    {"name": "_id", "type": "string"},
    {"name": "_source", "type": "string"},
    {"name": "n", "type": "long"},
    {"name": "text", "type": ["null", "string"], "default": None},
]


class Warehouse:
    """The test's database."""

    def __init__(self, settings: Settings) -> None:
        self.database = settings.clickhouse.address.database
        arguments = {**settings.clickhouse.client_arguments(), "database": None}
        self.client = clickhouse_connect.get_client(**arguments)
        # Not when connecting: it may be the loader's business to make it.
        self.client.database = None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        if self.client.database is None and self.client.command(f"EXISTS DATABASE `{self.database}`"):
            self.client.database = self.database
        return [tuple(row) for row in self.client.query(query).result_rows]

    def exists(self, name: str) -> bool:
        return bool(
            self.rows(f"SELECT 1 FROM system.tables WHERE database = '{self.database}' AND name = '{name}'")
        )

    def count(self, view: str) -> int:
        """Rows that a reader sees; 0 before there is a view."""
        return int(self.rows(f"SELECT count() FROM `{view}`")[0][0]) if self.exists(view) else 0

    def numbers(self, view: str) -> list[int]:
        return [row[0] for row in self.rows(f"SELECT n FROM `{view}` ORDER BY n")]


class Source:
    """A topic with a registered schema."""

    def __init__(self, settings: Settings, name: str, fields: Sequence[dict[str, Any]] = ENVELOPE) -> None:
        self.name = name
        self.names = Names(settings.topic_prefix)
        self.topic = self.names.topic(name)
        self._settings = settings
        self._producer = Producer(
            client_properties(settings.kafka, **{"enable.idempotence": True, "linger.ms": 5})
        )
        self.schema_id = -1
        self.schema: dict[str, Any] = {}
        self.evolve(fields)

    def evolve(self, fields: Sequence[dict[str, Any]], **properties: Any) -> int:
        """Register a schema with these fields; records are written with it from now on."""
        namespace = self.names.namespace("made_up")
        self.schema = {"type": "record", "name": "Record", "namespace": namespace, "fields": list(fields)}
        self.schema |= properties
        registry = self._settings.registry
        with SchemaRegistry(registry.url, basic_auth=registry.basic_auth) as client:
            self.schema_id = client.register(self.names.subject(self.topic), self.schema)
        return self.schema_id

    def create(self, partitions: int = 2) -> "Source":
        admin = AdminClient(client_properties(self._settings.kafka))
        for future in admin.create_topics([NewTopic(self.topic, partitions, 1)]).values():
            future.result(timeout=30)
        return self

    def value(self, record: dict[str, Any]) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(self.schema), record)
        return frame(self.schema_id, out.getvalue())

    def record(self, number: int) -> dict[str, Any]:
        return {"_id": f"id-{number}", "_source": self.name, "n": number, "text": f"text {number}"}

    def publish(self, numbers: Sequence[int]) -> None:
        """Numbered records, spread over the partitions by key."""
        for number in numbers:
            self.send(self.value(self.record(number)), key=f"id-{number}".encode())
        self.flush()

    def send(
        self, value: bytes | None, *, key: bytes | None = None, partition: int = -1, **rest: Any
    ) -> None:
        while True:
            try:
                self._producer.produce(self.topic, value, key, partition, **rest)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def dead_letters(self) -> list[tuple[dict[str, str], bytes | None, bytes | None]]:
        """(headers, key, value) of each dead letter."""
        topic = self.names.dead_letter_topic(self.topic)
        found = []
        for message in read_to_end(client_properties(self._settings.kafka, **{"group.id": "x"}), topic):
            headers = {name: _text(value) for name, value in cast("Pairs", message.headers() or [])}
            found.append((headers, message.key(), message.value()))
        return found


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


class LoaderThread:
    """A loader inside the test's process."""

    def __init__(self, settings: Settings) -> None:
        self._stopping = Stopping()
        self._daemon = LoaderDaemon(settings, self._stopping)
        self.exit_code: int | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.exit_code = self._daemon.run()

    def start(self) -> "LoaderThread":
        self._thread.start()
        return self

    def stop(self) -> int | None:
        self._stopping.stop()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        return self.exit_code


@pytest.fixture
def clickhouse(settings: Settings) -> Iterator[ClickHouse]:
    with ClickHouse(settings.clickhouse) as found:
        yield found


@pytest.fixture
def warehouse(settings: Settings) -> Iterator[Warehouse]:
    found = Warehouse(settings)
    yield found
    found.client.close()


@pytest.fixture
def source(settings: Settings) -> Callable[..., Source]:
    return lambda name, *args: Source(settings, name, *args)


@pytest.fixture
def loader(settings: Settings) -> Iterator[Callable[..., LoaderThread]]:
    """Starts loaders in this process; those still running are stopped at the end."""
    with ExitStack() as stack:

        def start(other: Settings | None = None) -> LoaderThread:
            running = LoaderThread(other or settings).start()
            stack.callback(running.stop)
            return running

        yield start


@pytest.fixture
def loader_process(
    environment: dict[str, str], settings: Settings, tmp_path: Path
) -> Iterator[Callable[..., DaemonProcess]]:
    """Starts loaders as processes, without waiting; those still running are killed at the end."""
    # Property by property, so that a test may add one.
    properties = {
        f"INGEST_KAFKA__PROPERTIES__{name.replace('.', '_').upper()}": str(value)
        for name, value in settings.kafka.properties.items()
    }
    given = {name: value for name, value in environment.items() if name != "INGEST_KAFKA__PROPERTIES"}
    numbers = count()
    with ExitStack() as stack:

        def start(**extra: str) -> DaemonProcess:
            folder = tmp_path / f"loader-{next(numbers)}"
            folder.mkdir()
            running = DaemonProcess("consumer", folder, {**given, **properties, **extra})
            stack.callback(lambda: print(running.process.log_tail()))
            stack.callback(running.process.kill)
            running.process.start()
            return running

        yield start
