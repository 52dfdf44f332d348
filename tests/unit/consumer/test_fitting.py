"""Which tables take a schema's records: any sorting key that is the same whenever a record is loaded."""

from typing import Any

import pytest

from consumer.ddl import TableSpec, table_spec
from consumer.errors import TopicStoppedError
from consumer.fitting import Existing, check_key, fits, key_parts, types_to_change, widened
from consumer.gate import gate
from tests.unit.consumer.conftest import ReadSchema

PLACE = ("_epoch", "_partition", "_offset")
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED"]}


def _spec(schema_of: ReadSchema, *fields: dict[str, Any]) -> TableSpec:
    schema = schema_of(*fields)
    return table_spec(schema, gate(schema), "db", "weather__log", "weather")


@pytest.fixture
def spec(schema_of: ReadSchema) -> TableSpec:
    return _spec(schema_of, {"name": "n", "type": "long"}, {"name": "colour", "type": COLOUR})


EXISTING = {
    "n": Existing("Int64"),
    "colour__text": Existing("String", "EPHEMERAL", "CAST('now()', 'String')"),
    "colour": Existing("LowCardinality(String)", "DEFAULT", "colour__text"),
    "day": Existing("Date32", "DEFAULT", "CAST(addDays(toDate32('1970-01-01'), 3), 'Date32')"),
    "plain": Existing("String"),
    "was__text": Existing("String", "EPHEMERAL", "defaultValueOfTypeName('String')"),
    "was": Existing("LowCardinality(String)", "DEFAULT", "`was__text`"),
    "clock": Existing("DateTime", "DEFAULT", "now()"),
    "double": Existing("Int64", "DEFAULT", "n * 2"),
    "made": Existing("Int64", "MATERIALIZED", "3"),
    "_ver": Existing("UInt64"),
}


@pytest.mark.parametrize(
    "key",
    [PLACE, ("n", *PLACE), ("colour", "n", *PLACE), ("_log_time", *PLACE), (*PLACE, "n"), PLACE[::-1]],
)
def test_any_order_of_fields_and_place_is_safe(spec: TableSpec, key: tuple[str, ...]) -> None:
    check_key(spec, EXISTING, key)


@pytest.mark.parametrize("column", ["day", "plain", "was"])
def test_so_is_a_column_that_the_record_lacks_and_that_is_filled_with_a_constant(
    spec: TableSpec, column: str
) -> None:
    check_key(spec, EXISTING, (column, *PLACE))


@pytest.mark.parametrize("column", ["clock", "double", "made", "_ver", "toDate(n)", "gone"])
def test_what_may_differ_when_a_record_is_loaded_again_is_not(spec: TableSpec, column: str) -> None:
    with pytest.raises(TopicStoppedError) as caught:
        check_key(spec, EXISTING, (column, *PLACE))
    assert f"sorted by ({column}, _epoch, _partition, _offset), and {column} may differ" in str(caught.value)
    assert "Rename the table away and, with all loaders stopped, set the group's offsets" in str(caught.value)


def test_neither_is_a_key_without_the_place(spec: TableSpec) -> None:
    with pytest.raises(TopicStoppedError, match="without _epoch, _offset, so that records would replace"):
        check_key(spec, EXISTING, ("n", "_partition"))


@pytest.mark.parametrize(
    ("told", "parts"),
    [
        ("", ()),
        ("n, _epoch, _partition, _offset", ("n", *PLACE)),
        ("`a b`, toDate(n)", ("a b", "toDate(n)")),
    ],
)
def test_a_key_is_read_as_clickhouse_tells_it(told: str, parts: tuple[str, ...]) -> None:
    assert key_parts(told) == parts


def test_a_field_that_has_become_optional_or_wider_changes_its_column(schema_of: ReadSchema) -> None:
    spec = _spec(
        schema_of,
        {"name": "n", "type": ["null", "long"], "default": None},
        {"name": "colour", "type": ["null", COLOUR], "default": None},
        {"name": "same", "type": "string"},
        {"name": "new", "type": "string"},
    )
    existing = {**EXISTING, "n": Existing("Int32"), "same": Existing("Nullable(String)")}
    undeclared = {**existing, "colour__text": EXISTING["was__text"]}
    assert types_to_change(spec, undeclared, PLACE)["colour__text"] == "Nullable(String) EPHEMERAL"
    assert types_to_change(spec, existing, PLACE) == {
        "n": "Nullable(Int64)",
        "colour__text": "Nullable(String)",
        "colour": "LowCardinality(Nullable(String))",
    }
    changed = {name: Existing(kind) for name, kind in types_to_change(spec, existing, PLACE).items()}
    assert types_to_change(spec, {**existing, **changed}, PLACE) == {}


def test_a_type_that_no_value_survives_stops_the_topic_and_says_how_to_go_on(schema_of: ReadSchema) -> None:
    spec = _spec(schema_of, {"name": "n", "type": "string"})
    with pytest.raises(TopicStoppedError, match=r"'n' is Int64, records carry String.*Rename the table away"):
        types_to_change(spec, EXISTING, PLACE)


def test_a_column_of_the_key_keeps_its_type(schema_of: ReadSchema) -> None:
    spec = _spec(schema_of, {"name": "n", "type": ["null", "long"]})
    with pytest.raises(TopicStoppedError, match=r"'n' is Int64, records carry Nullable\(Int64\)"):
        types_to_change(spec, EXISTING, ("n", *PLACE))


def test_a_text_that_is_filled_by_another_column_does_not_go_into_one_that_is_not(spec: TableSpec) -> None:
    with pytest.raises(TopicStoppedError, match="'colour' is String"):
        types_to_change(spec, {"colour": Existing("String")}, PLACE)


@pytest.mark.parametrize(
    ("written", "column", "may"),
    [
        ("Int32", "Int32", True),
        ("Int32", "Int64", True),
        ("Int64", "Float64", True),
        ("Int32", "Nullable(Int64)", True),
        ("Nullable(Int32)", "Nullable(Int64)", True),
        ("String", "LowCardinality(String)", True),
        ("LowCardinality(String)", "LowCardinality(Nullable(String))", True),
        ("LowCardinality(Nullable(String))", "LowCardinality(String)", False),
        ("Tuple(`a b` Int32)", "Tuple(a b Int32)", True),
        ("Nullable(Int32)", "Int32", False),
        ("Int64", "Int32", False),
        ("String", "UUID", False),
        ("Float64", "Float32", False),
    ],
)
def test_only_avros_promotions_fit_another_type(written: str, column: str, may: bool) -> None:
    assert fits(written, column) is may


@pytest.mark.parametrize(
    ("written", "column", "wider"),
    [
        ("Nullable(Float64)", "Float64", "Nullable(Float64)"),
        ("Int64", "Int32", "Int64"),
        ("Int64", "Nullable(Int32)", "Nullable(Int64)"),
        ("Nullable(Int32)", "Int64", "Nullable(Int64)"),
        ("Float64", "Int32", "Float64"),
        ("Nullable(DateTime64(6, 'UTC'))", "DateTime64(6, 'UTC')", "Nullable(DateTime64(6, 'UTC'))"),
        ("LowCardinality(Nullable(String))", "LowCardinality(String)", "LowCardinality(Nullable(String))"),
        ("Nullable(String)", "LowCardinality(String)", "LowCardinality(Nullable(String))"),
        ("Float64", "Int64", None),
        ("Float32", "Int32", None),
        ("String", "Int64", None),
    ],
)
def test_a_column_is_widened_where_each_value_that_it_has_survives(
    written: str, column: str, wider: str | None
) -> None:
    assert widened(written, column) == wider
    assert wider is None or fits(written, wider)
