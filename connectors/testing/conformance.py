"""The conformance check: a connector and its contract, without broker, registry or event loop."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.checkpoint import Checkpoint
from connectors.configuration import build_settings
from connectors.declaration import check_declaration
from schemas.avro import build_schema
from schemas.contract import data_record
from schemas.encoder import RecordEncoder
from schemas.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import BaseModel

    from connectors.base import BaseConnector
    from schemas.records import DataRecord

_WHEN = datetime(2026, 1, 1, tzinfo=UTC)


class ConformanceError(AssertionError):
    """A connector breaks its contract; the message says which rule and with which record."""


def check_connector(
    connector: type[BaseConnector],
    *,
    items: Iterable[Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    limit: int = 1000,
) -> list[DataRecord]:
    """Hold a connector to its contract with at most `limit` records; return them, for assertions of your own.

    Checked: the declaration as at discovery; the settings; `extract` is lazy and can be closed at any
    record; `transform` gives a Record, twice the same for the same item; ids are unique; every record can
    be encoded; the cursor is never empty, in order if declared `ordered`; and, without `items`, `since` is
    inclusive: asked again from a record's cursor, the connector yields that record and all after it. If
    `extract` takes `until`: told to end at a record's cursor, it still yields all that is before.

    With `items` nothing is fetched; without them the connector's own `extract` runs, against whatever its
    settings point to.

    Raises DeclarationError, ConnectorSettingsError or ConformanceError, and whatever the connector raises.
    """
    check_declaration(connector)
    source = connector(build_settings(connector.contract().source, connector.Settings, settings or {}))
    taken = _take(source, None, limit) if items is None else list(itertools.islice(items, limit))
    _require(bool(taken), "there is nothing to check: give it items, or an API that has some")
    records = [_record(source, item) for item in taken]
    _check_ids(records)
    _check_encoding(source, records)
    _check_order(source, records)
    if items is None and source.cursor is not None:
        _check_since(source, records, limit)
        if source.takes_until():
            _check_until(source, records, limit)
    return records


def _take(source: BaseConnector, since: Any, limit: int, **until: Any) -> list[Any]:
    with stream_of(source, since, **until) as items:
        return list(itertools.islice(items, limit))


@contextlib.contextmanager
def stream_of(source: BaseConnector, since: Any, **until: Any) -> Iterator[Iterator[Any]]:
    """The items of `extract` without checkpoints, closed at the end; it must be a generator."""
    stream = source.extract(since, **until)
    _require(
        iter(stream) is stream,
        f"extract returns a {type(stream).__name__}: make it a generator (`yield`)",
    )
    # Closed by hand: what a generator raises when the collector closes it is lost.
    with contextlib.closing(stream) if isinstance(stream, Generator) else contextlib.nullcontext():
        yield (item for item in stream if not isinstance(item, Checkpoint))


def _record(source: BaseConnector, item: Any) -> DataRecord:
    first, second = source.transform(item), source.transform(item)
    _require(
        isinstance(first, source.Record),
        f"transform gives {type(first).__name__} and not Record, for {item!r}",
    )
    _require(
        first == second, f"transform gives two different records for the same item {item!r}: make it pure"
    )
    return identified(source, first)


def identified(source: BaseConnector, record: BaseModel) -> DataRecord:
    """The record with its id, as a run would publish it."""
    return data_record(source.contract(), record, extracted_at=_WHEN, run_id="check")


def _check_ids(records: list[DataRecord]) -> None:
    seen: dict[str, DataRecord] = {}
    for record in records:
        other = seen.setdefault(record.id, record)
        _require(
            other is record,
            f"two records have the id {record.id!r}: the key does not tell them apart, or one came twice:\n"
            f"  {other.payload!r}\n  {record.payload!r}",
        )


def _check_encoding(source: BaseConnector, records: list[DataRecord]) -> None:
    contract = source.contract()
    encoder = RecordEncoder(contract, build_schema(contract, Names()), 1)
    messages = encoder.encode([record.payload for record in records], extracted_at=_WHEN, run_id="check")
    _require(
        [message["key"].decode() for message in messages] == [record.id for record in records],
        "the encoded keys are not the records' ids",
    )


def _check_order(source: BaseConnector, records: list[DataRecord]) -> None:
    if source.cursor is None or not source.ordered:
        return
    for before, after in itertools.pairwise(records):
        first, second = (getattr(record.payload, source.cursor) for record in (before, after))
        _require(
            first <= second,
            f"`ordered` is declared, but {source.cursor} {first!r} came before {second!r}: "
            f"a crash between them would lose records; set ordered = False",
        )


def _check_since(source: BaseConnector, records: list[DataRecord], limit: int) -> None:
    assert source.cursor is not None
    middle = _cursors(source, records)[len(records) // 2]
    expected = {record.id: record for record in records if getattr(record.payload, source.cursor) >= middle}
    for item in _take(source, middle, limit):
        expected.pop(_record(source, item).id, None)
    _require(
        not expected,
        f"extract(since={middle!r}) leaves out {len(expected)} records at or after it: `since` is inclusive; "
        f"first: {next(iter(expected.values()), None)!r}",
    )


def _check_until(source: BaseConnector, records: list[DataRecord], limit: int) -> None:
    assert source.cursor is not None
    values = _cursors(source, records)
    first, middle = values[0], values[len(values) // 2]
    expected = {record.id: record for record in records if getattr(record.payload, source.cursor) < middle}
    if not expected:
        return
    for item in _take(source, first, limit, until=middle):
        expected.pop(_record(source, item).id, None)
    _require(
        not expected,
        f"extract(since={first!r}, until={middle!r}) leaves out {len(expected)} records between the two; "
        f"first: {next(iter(expected.values()), None)!r}",
    )


def _cursors(source: BaseConnector, records: list[DataRecord]) -> list[Any]:
    return sorted(getattr(record.payload, str(source.cursor)) for record in records)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConformanceError(message)
