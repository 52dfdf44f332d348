"""What becomes of a batch, with fakes for ClickHouse, dead letters and the topic."""

from collections.abc import Collection, Generator, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import Message

from consumer.assignment import Assignment
from consumer.batches import Batch, Batches, Limits
from consumer.ddl import table_spec
from consumer.decoding import RecordDecoder
from consumer.errors import (
    ClickHouseAwayError,
    RecordsRefusedError,
    SchemaUnusableError,
    TableMissingError,
)
from consumer.gate import gate
from consumer.letters import Letter
from consumer.loading import BatchLoader
from consumer.plans import Plan
from consumer.writer_schema import header
from tests.unit.consumer.conftest import FRAME, TOPIC, MakeMessage, ReadSchema


class FakePlans:
    def __init__(self, plan: Plan | Exception) -> None:
        self.answer = plan
        self.forgotten: list[Plan] = []

    def plan(self, topic: str, frame: bytes) -> Plan:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def forget(self, plan: Plan) -> None:
        self.forgotten.append(plan)


class FakeClickHouse:
    """Refuses inserts as it is told, by their number."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.errors: dict[int, Exception] = {}
        self.refuses_many = False

    def insert(self, into: str, parts: Generator[bytes, None, None], token: str) -> float:
        sent = list(parts)
        self.tokens.append(token)
        error = self.errors.pop(len(self.tokens), None)
        if error is not None:
            raise error
        if self.refuses_many and len(sent) > 2:
            raise RecordsRefusedError("395: the canaries differ")
        return 0.01


class FakeLetters:
    def __init__(self) -> None:
        self.sent: list[Letter] = []

    def send(self, letters: Sequence[Letter]) -> None:
        self.sent += letters


class FakeOriginals:
    def __init__(self, messages: Mapping[int, Message]) -> None:
        self.messages = messages

    def read(self, topic: str, partition: int, offsets: Collection[int]) -> Mapping[int, Message]:
        return {offset: self.messages[offset] for offset in offsets if offset in self.messages}


class Setup:
    def __init__(self, plan: Plan | Exception, messages: Mapping[int, Message] | None = None) -> None:
        self.plans = FakePlans(plan)
        self.clickhouse = FakeClickHouse()
        self.letters = FakeLetters()
        fakes: tuple[Any, ...] = (self.plans, self.clickhouse, self.letters, FakeOriginals(messages or {}))
        self.loader = BatchLoader(*fakes)


@pytest.fixture
def plan(schema_of: ReadSchema) -> Plan:
    schema = schema_of({"name": "x", "type": "string"})
    gated = gate(schema)
    spec = table_spec(schema, gated, "db", "weather__log", "weather")
    return Plan(
        spec, "`db`.`weather__log` (x)", header(gated.record, ["x"]), RecordDecoder(schema, ()), False
    )


def _batch(assignment: Assignment, messages: Sequence[Message]) -> Batch:
    batches = Batches(assignment, Limits(10_000, 1 << 30, 1 << 30, 1.0), clock=lambda: 0.0)
    batches.take(messages)
    (batch,) = batches.seal()
    return batch


def _good(message: MakeMessage, offset: int, **rest: Any) -> Message:
    return message(offset, FRAME + b"\2a", **rest)


def test_the_usual_way_is_one_insert(plan: Plan, assignment: Assignment, message: MakeMessage) -> None:
    setup = Setup(plan)
    setup.loader.load(_batch(assignment, [_good(message, offset) for offset in range(5)]))
    assert len(setup.clickhouse.tokens) == 1
    assert setup.letters.sent == []


def test_the_same_bytes_have_the_same_token(plan: Plan, assignment: Assignment, message: MakeMessage) -> None:
    setup = Setup(plan)
    setup.clickhouse.errors = {1: ClickHouseAwayError("gone")}
    batch = _batch(assignment, [_good(message, 1)])
    with pytest.raises(ClickHouseAwayError):
        setup.loader.load(batch)
    setup.loader.load(batch)
    setup.loader.load(_batch(assignment, [_good(message, 1)]))
    first, again, other = setup.clickhouse.tokens
    assert first == again != other


def test_parts_of_a_batch_have_tokens_of_their_own(
    plan: Plan, assignment: Assignment, message: MakeMessage
) -> None:
    setup = Setup(plan)
    setup.clickhouse.errors = {1: RecordsRefusedError("395")}
    setup.loader.load(_batch(assignment, [_good(message, offset) for offset in range(40)]))
    assert len(set(setup.clickhouse.tokens)) == len(setup.clickhouse.tokens) > 2


def test_a_missing_table_is_looked_at_again(plan: Plan, assignment: Assignment, message: MakeMessage) -> None:
    setup = Setup(plan)
    setup.clickhouse.errors = {1: TableMissingError("60")}
    with pytest.raises(TableMissingError):
        setup.loader.load(_batch(assignment, [_good(message, 1)]))
    assert setup.plans.forgotten == [plan]


def test_a_refused_record_is_dead_lettered_with_its_own_key_and_headers(
    plan: Plan, assignment: Assignment, message: MakeMessage
) -> None:
    bad = message(7, FRAME + b"\2ab", key=b"the key", headers=[("trace", b"1")])
    setup = Setup(plan, {7: bad})
    setup.clickhouse.errors = {1: RecordsRefusedError("395"), 3: RecordsRefusedError("395")}
    setup.loader.load(_batch(assignment, [bad]))
    (letter,) = setup.letters.sent
    assert (letter.offset, letter.key, letter.value) == (7, b"the key", FRAME + b"\2ab")
    assert (letter.reason, letter.headers[0]) == ("undecodable", ("trace", b"1"))
    assert "1 bytes are left over" in letter.error


def test_a_record_that_stands_there_now_lends_no_key_to_the_one_before(
    plan: Plan, assignment: Assignment, message: MakeMessage
) -> None:
    """The topic was made anew between reading and dead-lettering."""
    setup = Setup(plan, {7: message(7, FRAME + b"\2z", key=b"another's")})
    setup.clickhouse.errors = {1: RecordsRefusedError("395"), 3: RecordsRefusedError("395")}
    setup.loader.load(_batch(assignment, [message(7, FRAME + b"\2ab", key=b"the key")]))
    (letter,) = setup.letters.sent
    assert (letter.key, letter.key_known, letter.value) == (None, False, FRAME + b"\2ab")


def test_an_unusable_schema_dead_letters_all_rows_and_inserts_none(
    assignment: Assignment, message: MakeMessage
) -> None:
    setup = Setup(SchemaUnusableError("unknown", "unknown_schema"))
    setup.loader.load(_batch(assignment, [_good(message, 1), _good(message, 2, partition=1)]))
    assert sorted((one.partition, one.offset, one.reason) for one in setup.letters.sent) == [
        (0, 1, "unknown_schema"),
        (1, 2, "unknown_schema"),
    ]
    assert setup.clickhouse.tokens == []


def test_messages_without_a_frame_need_neither_schema_nor_table(
    assignment: Assignment, message: MakeMessage
) -> None:
    setup = Setup(ClickHouseAwayError("nobody may ask"))
    setup.loader.load(_batch(assignment, [message(1, None, key=b"k"), message(2, b"")]))
    assert [(one.offset, one.reason, one.value) for one in setup.letters.sent] == [
        (1, "null_value", None),
        (2, "not_framed", b""),
    ]
    assert setup.letters.sent[0].topic == TOPIC


def _decoding_plan(schema_of: ReadSchema) -> Plan:
    """Of a schema outside the gate: a list whose items take no bytes."""
    schema = schema_of({"name": "x", "type": {"type": "array", "items": "null"}})
    gated = gate(schema)
    spec = table_spec(schema, gated, "db", "weather__log", "weather")
    return Plan(spec, "into", header(gated.record, ["x"]), RecordDecoder(schema, gated.as_text), True)


def test_a_schema_outside_the_gate_is_decoded_record_by_record(
    schema_of: ReadSchema, assignment: Assignment, message: MakeMessage
) -> None:
    plan = _decoding_plan(schema_of)
    setup = Setup(plan)
    setup.loader.load(_batch(assignment, [message(1, FRAME + b"\4\0"), message(2, FRAME + b"\4\0!")]))
    assert [(one.offset, one.reason) for one in setup.letters.sent] == [(2, "undecodable")]
    assert len(setup.clickhouse.tokens) == 1


def test_a_decoded_record_that_is_refused_is_dead_lettered_as_it_was_read(
    schema_of: ReadSchema, assignment: Assignment, message: MakeMessage
) -> None:
    plan = _decoding_plan(schema_of)
    bad = message(1, FRAME + b"\4\0", key=b"k")
    setup = Setup(plan, {1: bad})
    setup.clickhouse.errors = {1: RecordsRefusedError("38"), 3: RecordsRefusedError("38")}
    setup.loader.load(_batch(assignment, [bad]))
    (letter,) = setup.letters.sent
    assert (letter.value, letter.key, letter.reason) == (bad.value(), b"k", "refused")
