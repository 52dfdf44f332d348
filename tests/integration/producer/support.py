"""What the producer's integration tests share: connectors, parts, topics read to their end, a daemon."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient
from pydantic import AwareDatetime, BaseModel

from connectors.base import BaseConnector
from connectors.registry import ConnectorRegistry, Plugin
from producer.assembly import Parts, assembled
from producer.run import RunReport
from runtime.kafka import client_properties
from runtime.settings import Settings
from runtime.topic_reader import read_settled
from schemas.names import Names
from schemas.records import JobPayload
from schemas.registry import SchemaRegistry
from schemas.wire import split_frame
from tests.daemon_process import DaemonProcess

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
# Bodies for `write_connector`: ordered, each number once; it ends when the test makes a file.
COUNTING = """
number = 0 if since is None else int((since - NOON).total_seconds()) + 1
while not (HERE / "enough").exists():
    yield {"id": number, "at": NOON + timedelta(seconds=number)}
    number += 1
    time.sleep(0.005)
"""
ORDERED = ['cursor = "at"', "ordered = True"]


class Reading(BaseModel):
    """The record of the test sources."""

    id: int
    at: AwareDatetime
    text: str = ""


class Readings(BaseConnector):
    """Yields what `items` says; a class attribute, as an instance lives for one run."""

    name = "readings"
    Record = Reading
    key = "id"
    event_time = "at"
    cursor = "at"
    items: Callable[[Any], Iterator[Any]] = staticmethod(lambda since: iter(()))

    def extract(self, since: Any = None) -> Iterator[Any]:
        yield from type(self).items(since)


class OrderedReadings(Readings):
    """The same in cursor order."""

    ordered = True


def reading(number: int, **other: Any) -> dict[str, Any]:
    """Item `number`, `number` seconds after noon."""
    return {"id": number, "at": NOON + timedelta(seconds=number), **other}


def yielding(
    items: Callable[[Any], Iterator[Any]], *, ordered: bool = False, **declared: Any
) -> type[BaseConnector]:
    """A connector class that yields `items(since)`."""
    base = OrderedReadings if ordered else Readings
    return type("TestReadings", (base,), {"items": staticmethod(items), **declared})


@contextmanager
def parts_for(settings: Settings, *classes: type[BaseConnector]) -> Iterator[Parts]:
    """The producer's parts for these connectors, with the cursors topic there."""
    plugins = [Plugin(str(cls.name), cls, "test") for cls in classes]
    with assembled(settings, ConnectorRegistry(plugins)) as parts:
        parts.topics.ensure_state(Names(settings.topic_prefix))
        yield parts


def run(settings: Settings, connector: type[BaseConnector], job: JobPayload | None = None) -> RunReport:
    """Run one connector of the test's to its end."""
    with parts_for(settings, connector) as parts:
        outcome = parts.engine.run(job or JobPayload(source="readings"))
    assert isinstance(outcome, RunReport)
    return outcome


def stored(settings: Settings, source: str = "readings") -> Any:
    """The cursor that a source has now."""
    with parts_for(settings) as parts:
        position = parts.cursors.load(source)
    return None if position is None else position.cursor


def messages(settings: Settings, topic: str) -> list[Message]:
    """All records of a topic; none if there is no such topic.

    Settled: a commit returns before its markers are in all partitions, and a reader that hurries sees less.
    """
    reader = {**client_properties(settings.kafka), "fetch.wait.max.ms": 10}
    if topic not in AdminClient(client_properties(settings.kafka)).list_topics(timeout=30).topics:
        return []
    return list(read_settled(reader, topic, timeout=60))


def ids(settings: Settings, source: str = "readings") -> list[int]:
    """The keys of a source's records, sorted; duplicates stay."""
    topic = Names(settings.topic_prefix).topic(source)
    return sorted(int((message.key() or b"-1").decode()) for message in messages(settings, topic))


def records(
    settings: Settings, source: str = "readings", *, only_framed: bool = False
) -> list[dict[str, Any]]:
    """A source's records, decoded by fastavro with the schema that the registry has for each; with
    `only_framed` what others have written is left out.
    """
    found = []
    with SchemaRegistry(settings.registry.url) as registry:
        for message in messages(settings, Names(settings.topic_prefix).topic(source)):
            if only_framed and not (message.value() or b"").startswith(bytes(1)):
                continue
            found.append(decoded(registry, message))
    return found


def decoded(registry: SchemaRegistry, message: Message) -> dict[str, Any]:
    """A record, decoded with the schema that the registry has for it."""
    schema_id, body = split_frame(message.value() or b"")
    schema = _parsed(registry.schema(schema_id).text)
    return fastavro.schemaless_reader(io.BytesIO(body), schema, None)  # type: ignore[return-value]


@cache
def _parsed(schema: str) -> Any:
    return fastavro.parse_schema(json.loads(schema))


def dead_letters(settings: Settings, source: str = "readings") -> list[tuple[Any, dict[str, str]]]:
    """Raw items and headers of a source's dead letters."""
    names = Names(settings.topic_prefix)
    return [
        (
            json.loads(message.value() or b"null"),
            _texts(message.headers()),
        )
        for message in messages(settings, names.dead_letter_topic(names.topic(source)))
    ]


def _texts(headers: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in headers or []}


def events(daemon: DaemonProcess, event: str, **facts: Any) -> list[dict[str, Any]]:
    """Log lines of an event with these facts."""
    return [
        line for line in daemon.events(event) if all(line.get(name) == value for name, value in facts.items())
    ]


def write_connector(folder: Path, name: str, body: str, *, declared: Sequence[str] = ()) -> None:
    """A connector file: `body` is the body of `extract(self, since)`, `declared` are class attributes."""
    attributes = "\n".join(f"    {line}" for line in declared)
    indented = "\n".join(f"        {line}" for line in body.strip().splitlines())
    (folder / f"{name}.py").write_text(
        f'''"""A source of the test suite."""
import os, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pydantic import AwareDatetime, BaseModel
from connectors import BaseConnector

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HERE = Path(__file__).parent

class Source(BaseConnector):
    name = "{name}"
    schedule = "every 365d"
    key = "id"
{attributes}

    class Record(BaseModel):
        id: int
        at: AwareDatetime
        text: str = ""

    def extract(self, since=None):
{indented}
'''
    )
