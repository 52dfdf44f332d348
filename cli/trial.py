"""`ingest connectors try`: a connector's first records as they would be published, but not published."""

import logging
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import typer

from cli.blame import blame, check_items
from cli.errors import CommandError
from cli.output import cursor_words, to_json
from connectors.base import BaseConnector
from connectors.checkpoint import Checkpoint
from connectors.errors import ConnectorError
from runtime.redaction import hide_text
from schemas.avro import build_schema
from schemas.contract import data_record
from schemas.encoder import RecordEncoder
from schemas.errors import UnencodableRecordError
from schemas.names import Names

_NO_SCHEMA_ID = 0
# The daemon waits minutes for an API; a person at a terminal wants to know what is wrong.
TRY_SECONDS = 10.0


class Patience:
    """Waits for retries, in all at most so many seconds, then raises CommandError."""

    def __init__(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._left = seconds
        self._sleep = sleep

    def __call__(self, seconds: float) -> None:
        """Wait, or say that it takes too long."""
        self._left -= seconds
        if self._left < 0:
            raise CommandError(
                "the outside API keeps failing (see above). A daemon would go on trying; "
                "look at the address and the credentials in the source's settings"
            )
        self._sleep(seconds)


@dataclass
class Trial:
    """What a connector did: `records` as envelopes in plain data, `rejected` with reasons, as they came."""

    source: str
    topic: str
    schema: dict[str, Any]
    records: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    cursor: Any = None

    @property
    def empty(self) -> bool:
        """Whether nothing came, not even an answer."""
        return not (self.records or self.rejected or self.requests)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def new_trial(connector: BaseConnector, names: Names) -> Trial:
    """A trial of which nothing has come yet."""
    contract = connector.contract()
    return Trial(contract.source, names.topic(contract.source), build_schema(contract, names))


def run_trial(connector: BaseConnector, trial: Trial, *, limit: int, since: str | None) -> None:
    """Take the first `limit` items through transform and encoding; errors of `extract` are raised, with what
    came before them in `trial`.
    """
    contract = connector.contract()
    encoder = RecordEncoder(contract, trial.schema, _NO_SCHEMA_ID)
    run_id, cursors = uuid.uuid4().hex, []
    items = _told(connector, connector.parse_since(since))
    with _requests(trial.requests), closing(items):
        for item in islice(items, limit):
            now = datetime.now(UTC)
            try:
                record = connector.transform(item)
                encoder.encode([record], extracted_at=now, run_id=run_id)
            except UnencodableRecordError as exc:
                trial.rejected.append({"item": item, "reason": f"{exc.path} {exc.why}"})
            except SystemExit as exc:
                found = blame(exc, type(connector))
                raise CommandError(
                    f"source {contract.source}, in transform: {found.words}\n{found.place}"
                ) from exc
            except Exception as exc:  # transform is the author's code: whatever it raises rejects this item
                trial.rejected.append({"item": item, "reason": f"{type(exc).__name__}: {exc}"})
            else:
                envelope = data_record(contract, record, extracted_at=now, run_id=run_id)
                trial.records.append(envelope.model_dump())
                if connector.cursor:
                    cursors.append(getattr(record, connector.cursor))
    trial.cursor = _newest(cursors, connector)


def _newest(cursors: list[Any], connector: BaseConnector) -> Any:
    try:
        return max(cursors, default=None)
    except TypeError as exc:
        raise CommandError(
            f"source {connector.name}: values of its cursor field `{connector.cursor}` do not compare: {exc}"
        ) from exc


def _told(connector: BaseConnector, since: Any) -> Generator[Any]:
    """The items; an error of the author's code is told with its place in the file."""
    count = 0
    try:
        items = iter(check_items(connector.extract(since)))
        with _closing_if_possible(items):
            for item in items:
                if not isinstance(item, Checkpoint):
                    yield item
                    count += 1
    except (ConnectorError, CommandError):
        raise
    except (Exception, SystemExit) as exc:
        found = blame(exc, type(connector))
        raise CommandError(
            f"source {connector.name}, after {count} items: {found.words}\n{found.place}"
        ) from exc


def show_trial(trial: Trial, say: Callable[[str], None]) -> None:
    """Records to stdout, one line each; all that is said about them to stderr."""
    for record in trial.records:
        typer.echo(f"{record['id']}  {record['event_time']:%Y-%m-%d %H:%M:%S}  {to_json(record['payload'])}")
    for rejected in trial.rejected:
        say(f"rejected: {to_json(rejected['item'])}\n  {rejected['reason']}")
    for request in trial.requests:
        say(f"request: {request}")
    say(
        "fields: " + ", ".join(f"{each['name']} {type_text(each['type'])}" for each in trial.schema["fields"])
    )
    if trial.cursor is not None:
        say(cursor_words(trial.cursor, "cursor after these: "))
    say(f"{len(trial.records)} records for topic {trial.topic}; published nothing, stored nothing")


def type_text(avro: Any) -> str:
    """An Avro type in short: `long`, `string?` where it may be null, `timestamp-micros`, `array<long>`."""
    if isinstance(avro, str):
        return avro
    if isinstance(avro, list):
        inner = " | ".join(type_text(each) for each in avro if each != "null")
        return f"{inner}?" if "null" in avro else inner
    if avro["type"] == "array":
        return f"array<{type_text(avro['items'])}>"
    if avro["type"] == "map":
        return f"map<{type_text(avro['values'])}>"
    name: str = avro.get("logicalType") or avro.get("name") or type_text(avro["type"])
    return name


@contextmanager
def _closing_if_possible(items: Iterator[Any]) -> Iterator[None]:
    """Close a generator that was not read to its end; `extract` may also return a plain iterator."""
    close = getattr(items, "close", None)
    if close is None:
        yield
        return
    with closing(items):  # type: ignore[type-var]
        yield


@contextmanager
def _requests(seen: list[str]) -> Iterator[None]:
    """Collect what httpx says about each request, without the values of its parameters."""
    logger, handler = logging.getLogger("httpx"), _Collector(seen)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


class _Collector(logging.Handler):
    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self._seen = seen

    def emit(self, record: logging.LogRecord) -> None:
        # httpx: 'HTTP Request: %s %s "%s %d %s"', method, url, version, status, reason
        if isinstance(record.args, tuple) and len(record.args) == 5:
            method, url, _, status, reason = record.args
            address, query, _ = str(url).partition("?")
            self._seen.append(hide_text(f"{method} {address}{query and '?…'} {status} {reason}"))
