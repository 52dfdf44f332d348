"""Any model of supported fields: its schema parses, its bytes are fastavro's, readers find what went in."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import avro.schema
import fastavro
import pytest
from avro.io import BinaryDecoder, DatumReader
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from schemas.avro import build_schema
from schemas.contract import SourceContract, record_id
from schemas.datum import to_datum
from schemas.encoder import RecordEncoder
from schemas.models import payload_record
from schemas.names import Names
from schemas.wire import frame, split_frame
from tests.contract.schemas.kinds import KINDS, SCALARS, Kind, model, random_kinds, values

# The official package reads what it does not know as the plain type, and says so.
pytestmark = pytest.mark.filterwarnings("ignore::avro.errors.IgnoredLogicalType")

READ_AT = datetime(2026, 11, 22, 16, 37, 5, 123456, tzinfo=UTC)
RUN = "run-1"
FEWER = settings(max_examples=40)


def _reference(contract: SourceContract, schema: dict[str, Any], record: BaseModel) -> bytes:
    """The message that fastavro writes."""
    namespace = schema["namespace"]
    datum = {
        "_id": record_id(contract, record),
        "_source": contract.source,
        "_event_time": READ_AT,
        "_extracted_at": READ_AT,
        "_run_id": RUN,
        **to_datum(payload_record(contract.record), record, "Record", namespace),
    }
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), datum)
    return frame(7, out.getvalue())


def _same(found: Any, expected: Any) -> bool:
    """Equality that knows NaN and tells -0.0 from 0.0."""
    if isinstance(expected, float):
        return repr(found) == repr(expected)
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(_same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(_same, found, expected))
    return bool(found == expected)


def _check(kinds: dict[str, Kind], rows: list[dict[str, Any]]) -> None:
    contract = SourceContract("random", model(kinds))
    schema = build_schema(contract, Names())
    avro.schema.parse(json.dumps(schema))
    records = [contract.record(**row) for row in rows]
    messages = RecordEncoder(contract, schema, 7).encode(records, extracted_at=READ_AT, run_id=RUN)
    for row, record, message in zip(rows, records, messages, strict=True):
        assert message["value"] == _reference(contract, schema, record)
        assert message["key"].decode() == record_id(contract, record)
        _, body = split_frame(message["value"])
        stream = io.BytesIO(body)
        found = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None)
        assert isinstance(found, dict)
        assert stream.read() == b""
        for name, kind in kinds.items():
            assert _same(found[name], kind.read(row[name])), name


@given(data=st.data())
@FEWER
def test_random_models_round_trip(data: st.DataObject) -> None:
    kinds = data.draw(random_kinds())
    _check(kinds, data.draw(st.lists(values(kinds), min_size=1, max_size=3)))


@pytest.mark.parametrize("name", sorted(KINDS))
@given(data=st.data())
@settings(FEWER, max_examples=15)
def test_each_kind_round_trips(name: str, data: st.DataObject) -> None:
    kinds = {"value": KINDS[name]}
    _check(kinds, data.draw(st.lists(values(kinds), min_size=1, max_size=5)))


KEYS = {name: kind for name, kind in SCALARS.items() if name not in ("float", "json")}


@given(data=st.data())
@FEWER
def test_compiled_ids_are_those_of_the_reference(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=3, unique=True))
    kinds = {name: KEYS[name] for name in names}
    contract = SourceContract("random", model(kinds), key=tuple(names))
    encoder = RecordEncoder(contract, build_schema(contract, Names()), 7)
    records = [contract.record(**row) for row in data.draw(st.lists(values(kinds), min_size=1, max_size=5))]
    messages = encoder.encode(records, extracted_at=READ_AT, run_id=RUN)
    assert [message["key"].decode() for message in messages] == [record_id(contract, r) for r in records]


@given(data=st.data())
@settings(FEWER, max_examples=20)
def test_the_official_package_reads_what_the_encoder_wrote(data: st.DataObject) -> None:
    kinds = data.draw(random_kinds())
    contract = SourceContract("random", model(kinds))
    schema = build_schema(contract, Names())
    row = data.draw(values(kinds))
    encoder = RecordEncoder(contract, schema, 7)
    [message] = encoder.encode([contract.record(**row)], extracted_at=READ_AT, run_id=RUN)
    parsed = avro.schema.parse(json.dumps(schema))
    stream = io.BytesIO(split_frame(message["value"])[1])
    found = DatumReader(parsed, parsed).read(BinaryDecoder(stream))
    assert stream.read() == b""
    assert isinstance(found, dict)
    assert (found["_source"], found["_extracted_at"], found["_run_id"]) == ("random", READ_AT, RUN)
    for name, kind in kinds.items():
        assert _same(found[name], _as_official(kind.read(row[name]))), name


def _as_official(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is None:
        return (value - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001
    return str(value) if isinstance(value, UUID) else value
