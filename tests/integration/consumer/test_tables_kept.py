"""Tables that were made for a former schema take the next one's records, and each record stays one row."""

from typing import Any

import pytest

from consumer.clickhouse import ClickHouse
from consumer.errors import TopicStoppedError
from schemas.wire import frame
from tests.integration.consumer.tables import Table, body

COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]}
ID: dict[str, Any] = {"name": "id", "type": "string"}


def _schema(*fields: dict[str, Any], sort: tuple[str, ...] = ()) -> dict[str, Any]:
    declared = {"mode": "append", "sort": list(sort), "key": []}
    return {"type": "record", "name": "R", "fields": [ID, *fields], "ingest": declared}


def _seen_twice(table: Table, bodies: list[bytes], schema_id: int) -> list[dict[str, Any]]:
    """The rows that readers see once the same records were loaded twice, before and after merges."""
    for _ in range(2):
        table.insert(bodies, schema_id=schema_id)
        # As another loader, or this one after a restart.
        table.plans.forget(table.plans.plan(f"ingest.{table.source}", frame(schema_id, b"")))
    stored = f"`{table.clickhouse.database}`.`{table.source}__log`"
    assert table.clickhouse.rows(f"SELECT count() FROM {stored}")[0][0] in (len(bodies), 2 * len(bodies))
    # As text: NaN is not equal to itself.
    before = repr(table.rows())
    table.clickhouse.command(f"OPTIMIZE TABLE {stored} FINAL")
    assert table.clickhouse.rows(f"SELECT count() FROM {stored}")[0][0] == len(bodies)
    assert repr(table.rows()) == before
    return table.rows()


@pytest.mark.parametrize(
    ("sort", "fields", "lacking"),
    [
        pytest.param(("b",), [{"name": "b", "type": "double"}], [0.0], id="a number"),
        pytest.param(("b",), [{"name": "b", "type": ["null", "long"], "default": None}], [None], id="null"),
        pytest.param(("b",), [{"name": "b", "type": "string", "default": "it's"}], [b"it's"], id="a text"),
        pytest.param(("b",), [{"name": "b", "type": COLOUR, "default": "BLUE"}], [b"BLUE"], id="an enum"),
        pytest.param(
            ("b",),
            [{"name": "b", "type": {"type": "int", "logicalType": "date"}, "default": 3}],
            None,
            id="a date",
        ),
        pytest.param(
            ("b", "c"),
            [{"name": "b", "type": COLOUR}, {"name": "c", "type": "long", "default": 7}],
            [b"", 7],
            id="several",
        ),
    ],
)
def test_records_without_the_column_by_which_the_table_is_sorted_are_one_row_each(
    clickhouse: ClickHouse, sort: tuple[str, ...], fields: list[dict[str, Any]], lacking: list[Any] | None
) -> None:
    table = Table(clickhouse, _schema(*fields, sort=sort), _schema(sort=("id",)))
    bodies = [body(_schema(), {"id": f"id-{number}"}) for number in range(5)]
    rows = _seen_twice(table, bodies, 2)
    assert [row["id"] for row in rows] == [f"id-{number}".encode() for number in range(5)]
    if lacking is not None:
        assert [[row[name] for name in sort] for row in rows] == [lacking] * 5


def test_a_table_sorted_by_another_column_of_the_record_takes_it(clickhouse: ClickHouse) -> None:
    fields: list[dict[str, Any]] = [{"name": "b", "type": "double"}, {"name": "c", "type": "int"}]
    table = Table(clickhouse, _schema(*fields, sort=("b",)), _schema(*fields, sort=("c",)))
    odd = [float("nan"), -0.0, 0.0, 1.5, float("nan")]
    bodies = [body(_schema(*fields), {"id": "x", "b": number, "c": 3}) for number in odd]
    assert len(_seen_twice(table, bodies, 2)) == 5


def test_a_default_that_changes_by_itself_stops_the_topic(clickhouse: ClickHouse) -> None:
    at = {"name": "b", "type": {"type": "long", "logicalType": "timestamp-millis"}}
    table = Table(clickhouse, _schema(at, sort=("b",)), _schema())
    clickhouse.command(
        f"ALTER TABLE `{clickhouse.database}`.`{table.source}__log` "
        "MODIFY COLUMN b DateTime64(3, 'UTC') DEFAULT now64(3)"
    )
    with pytest.raises(TopicStoppedError, match="and b may differ when a record is loaded again"):
        table.insert([body(_schema(), {"id": "x"})], schema_id=2)


def test_a_field_becomes_optional_and_goes_and_comes_back(clickhouse: ClickHouse) -> None:
    needed: list[dict[str, Any]] = [{"name": "price", "type": "double"}, {"name": "colour", "type": COLOUR}]
    optional = [{**field, "type": ["null", field["type"]], "default": None} for field in needed]
    table = Table(clickhouse, _schema(*needed), _schema(*optional), _schema())
    table.insert([body(_schema(*needed), {"id": "a", "price": 1.5, "colour": "BLUE"})])
    told: list[dict[str, Any]] = [
        {"id": "b", "price": None, "colour": None},
        {"id": "c", "price": 2.5, "colour": "RED"},
    ]
    table.insert([body(_schema(*optional), one) for one in told], 1, schema_id=2)
    table.insert([body(_schema(), {"id": "d"})], 3, schema_id=3)
    table.insert([body(_schema(*needed), {"id": "e", "price": 0.5, "colour": "RED"})], 4)
    assert [(row["price"], row["colour"]) for row in table.rows()] == [
        (1.5, b"BLUE"),
        (None, None),
        (2.5, b"RED"),
        (None, None),
        (0.5, b"RED"),
    ]


def test_a_wider_type_keeps_what_is_there(clickhouse: ClickHouse) -> None:
    narrow: list[dict[str, Any]] = [
        {"name": "n", "type": "int", "default": 7, "doc": "How many"},
        {"name": "colour", "type": COLOUR, "default": "BLUE"},
    ]
    wide: list[dict[str, Any]] = [
        {"name": "n", "type": ["null", "long"], "default": None},
        {"name": "colour", "type": ["null", COLOUR], "default": None},
    ]
    table = Table(clickhouse, _schema(*narrow), _schema(*wide), _schema())
    table.insert([body(_schema(*narrow), {"id": "a", "n": -(2**31), "colour": "RED"})])
    table.insert([body(_schema(*wide), {"id": "b", "n": 2**40, "colour": None})], 1, schema_id=2)
    table.insert([body(_schema(), {"id": "c"})], 2, schema_id=3)
    found = [(row["n"], row["colour"]) for row in table.rows()]
    assert found == [(-(2**31), b"RED"), (2**40, None), (7, b"BLUE")], "the default is the one of the first"
    [(kind, comment)] = clickhouse.rows(
        f"SELECT type, comment FROM system.columns WHERE database = '{clickhouse.database}' "
        f"AND table = '{table.source}__log' AND name = 'n'"
    )
    assert (kind, comment) == ("Nullable(Int64)", "How many")
