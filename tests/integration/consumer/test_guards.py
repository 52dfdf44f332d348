"""The table refuses what is not framed, whoever inserts it; lost answers and copies keep each row one row."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import SecretStr

from consumer.clickhouse import ClickHouse
from consumer.container import Framer, Piece, Place, container, new_canary
from consumer.errors import (
    AnswerLostError,
    ClickHouseAwayError,
    RecordsRefusedError,
    TableMissingError,
    TopicStoppedError,
)
from runtime.settings import Settings
from tests.integration.consumer.doors import Door
from tests.integration.consumer.tables import FRAME, SYNC, Table, body

SCHEMA: dict[str, Any] = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "string"}]}
ROWS = 50


@pytest.fixture
def table(clickhouse: ClickHouse) -> Table:
    return Table(clickhouse, SCHEMA)


def _insert(clickhouse: ClickHouse, table: Table, pieces: list[Piece], token: str = "") -> None:
    clickhouse.insert(table.plan.into, container(table.plan.header, SYNC, pieces), token or uuid.uuid4().hex)


def _piece(
    values: list[bytes], *, canary: bytes | None = None, want: bytes = FRAME, offset: int = 0
) -> Piece:
    framer = Framer(new_canary(os.urandom) if canary is None else canary, want, SYNC)
    offsets = range(offset, offset + len(values))
    block = framer.block(Place(1 << 32, 7, 0), offsets, [0] * len(values), values)
    return Piece(block, 0, block.rows)


def _values(count: int = ROWS) -> list[bytes]:
    return [FRAME + body(SCHEMA, {"x": f"row {number}"}) for number in range(count)]


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(lambda good: good + b"\0", id="one byte more"),
        pytest.param(lambda good: good[:-1], id="one byte less"),
        pytest.param(lambda good: good + good[5:], id="a forged row"),
        pytest.param(lambda good: b"\0\0\0\0\2" + good[5:], id="another schema id"),
        pytest.param(lambda good: b"\1" + good[1:], id="another magic byte"),
    ],
)
def test_one_bad_record_fails_the_whole_insert(
    clickhouse: ClickHouse, table: Table, poison: Callable[[bytes], bytes]
) -> None:
    values = _values()
    values[20] = poison(values[20])
    with pytest.raises(RecordsRefusedError):
        _insert(clickhouse, table, [_piece(values)])
    assert table.rows("_offset") == []


def test_a_zero_canary_is_no_canary(clickhouse: ClickHouse, table: Table) -> None:
    with pytest.raises(RecordsRefusedError, match="395"):
        _insert(clickhouse, table, [_piece(_values(), canary=bytes(8))])


def test_an_insert_without_canaries_fails(clickhouse: ClickHouse, table: Table) -> None:
    with pytest.raises(RecordsRefusedError, match="395"):
        clickhouse.command(f"INSERT INTO {table.plan.spec.qualified_table} (x) VALUES ('by hand')")
    assert table.rows("_offset") == []


@pytest.mark.parametrize(
    "change",
    [
        "MODIFY COLUMN _ok UInt8 MATERIALIZED throwIf(_canary_a != _canary_b)",
        "MODIFY COLUMN _ok UInt8 DEFAULT 1",
    ],
)
def test_a_table_that_does_not_check_its_rows_is_made_to(
    clickhouse: ClickHouse, table: Table, change: str
) -> None:
    _insert(clickhouse, table, [_piece(_values())])
    clickhouse.command(f"ALTER TABLE {table.plan.spec.qualified_table} {change}")
    table.plans.forget(table.plan)
    table.plans.plan(f"ingest.{table.source}", FRAME)
    values = _values()
    values[20] += values[20][5:]
    with pytest.raises(RecordsRefusedError):
        _insert(clickhouse, table, [_piece(values, offset=ROWS)])
    _insert(clickhouse, table, [_piece(_values(), offset=ROWS)])
    clickhouse.command(f"OPTIMIZE TABLE {table.plan.spec.qualified_table} FINAL")
    assert [row["_offset"] for row in table.rows("_offset")] == list(range(2 * ROWS))


def test_a_table_without_its_check_stops_the_topic(clickhouse: ClickHouse, table: Table) -> None:
    clickhouse.command(f"ALTER TABLE {table.plan.spec.qualified_table} DROP COLUMN _ok")
    table.plans.forget(table.plan)
    with pytest.raises(TopicStoppedError, match="_ok"):
        table.plans.plan(f"ingest.{table.source}", FRAME)


def test_the_same_rows_in_any_number_of_inserts_are_visible_once(
    clickhouse: ClickHouse, table: Table
) -> None:
    values = _values()
    for _ in range(3):
        _insert(clickhouse, table, [_piece(values)])
    _insert(clickhouse, table, [_piece(values[30:], offset=30)])
    assert [row["_offset"] for row in table.rows("_offset")] == list(range(ROWS))


def test_a_copied_table_keeps_each_row_where_it_was(clickhouse: ClickHouse, table: Table) -> None:
    """T2: the key is made of plain columns, so it survives INSERT … SELECT and an exchange of partitions."""
    _insert(clickhouse, table, [_piece(_values())])
    source = table.plan.spec.qualified_table
    copy = f"`{clickhouse.database}`.`copy`"
    clickhouse.command(f"CREATE TABLE {copy} AS {source}")
    columns = "x, _epoch, _partition, _offset, _log_time, _ver"
    guards = "_canary_a, _canary_b, _frame, _want"
    given = "'copycopy', bitNot('copycopy'), '', ''"
    clickhouse.command(f"INSERT INTO {copy} ({columns}, {guards}) SELECT {columns}, {given} FROM {source}")
    same = f"SELECT {columns} FROM {source} ORDER BY _offset"
    assert clickhouse.rows(same) == clickhouse.rows(same.replace(source, copy))
    (partition,) = {row[0] for row in clickhouse.rows("SELECT DISTINCT _partition_id FROM " + source)}
    clickhouse.command(f"ALTER TABLE {source} REPLACE PARTITION ID '{partition}' FROM {copy}")
    assert [row["_offset"] for row in table.rows("_offset")] == list(range(ROWS))


def test_a_table_dropped_meanwhile_is_missing_not_a_fault_of_records(
    clickhouse: ClickHouse, table: Table
) -> None:
    clickhouse.command(f"DROP TABLE {table.plan.spec.qualified_table}")
    with pytest.raises(TableMissingError):
        _insert(clickhouse, table, [_piece(_values())])
    table.plans.forget(table.plan)
    table.plans.plan(f"ingest.{table.source}", FRAME)
    _insert(clickhouse, table, [_piece(_values())])
    assert len(table.rows("_offset")) == ROWS


@pytest.fixture
def through(settings: Settings) -> Iterator[Callable[[Callable[[bytes], bool]], ClickHouse]]:
    """ClickHouse behind a door that loses the answers to some requests."""
    with ExitStack() as stack:

        def build(lose: Callable[[bytes], bool]) -> ClickHouse:
            address = settings.clickhouse.address
            door = Door(f"{address.host}:{address.port}", lose=lose)
            door.start()
            stack.callback(door.close)
            url = SecretStr(
                f"http://{address.username}:{address.password}@127.0.0.1:{door.port}/{address.database}"
            )
            return stack.enter_context(ClickHouse(settings.clickhouse.model_copy(update={"url": url})))

        yield build


def test_an_insert_whose_answer_is_lost_is_stored_once_when_sent_again(
    table: Table, through: Callable[[Callable[[bytes], bool]], ClickHouse]
) -> None:
    inserts: list[bytes] = []

    def lose(request: bytes) -> bool:
        if b"INSERT+INTO" in request:
            inserts.append(request)
        return len(inserts) == 1

    clickhouse = through(lose)
    pieces = [_piece(_values())]
    with pytest.raises(AnswerLostError, match="did not answer"):
        _insert(clickhouse, table, pieces, "one-token")
    _insert(clickhouse, table, pieces, "one-token")
    assert len(inserts) == 2
    # Not merely visible once: the token of the batch kept the second attempt from being written at all.
    assert table.clickhouse.rows(f"SELECT count() FROM {table.plan.spec.qualified_table}") == [(ROWS,)]


def test_an_insert_that_is_refused_says_so_also_through_the_door(
    table: Table, through: Callable[[Callable[[bytes], bool]], ClickHouse]
) -> None:
    values = _values()
    values[3] += b"!"
    with pytest.raises(RecordsRefusedError):
        _insert(through(lambda request: False), table, [_piece(values)])


def test_nobody_at_the_address_is_away_not_lost(settings: Settings) -> None:
    url = SecretStr("http://default@127.0.0.1:9/db")
    with ClickHouse(settings.clickhouse.model_copy(update={"url": url})) as clickhouse:
        with pytest.raises(ClickHouseAwayError, match=r"127\.0\.0\.1:9"):
            clickhouse.rows("SELECT 1")
        assert "does not answer" in (clickhouse.ping() or "")


def test_wrong_credentials_need_a_person(settings: Settings) -> None:
    address = settings.clickhouse.address
    url = SecretStr(f"http://nobody:secret-word@{address.host}:{address.port}/{address.database}")
    with ClickHouse(settings.clickhouse.model_copy(update={"url": url})) as clickhouse:
        with pytest.raises(TopicStoppedError) as refused:
            clickhouse.rows("SELECT 1")
        assert "secret-word" not in str(refused.value)
