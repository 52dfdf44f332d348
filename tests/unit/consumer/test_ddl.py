import pytest

from consumer.ddl import (
    TableSpec,
    add_columns,
    change_types,
    create_table,
    create_view,
    table_spec,
    visible,
)
from consumer.errors import TopicStoppedError
from consumer.gate import gate
from consumer.schema_tree import SourceSchema
from tests.unit.consumer.conftest import ReadSchema

MICROS = {"type": "long", "logicalType": "timestamp-micros"}


def _spec(schema: SourceSchema) -> TableSpec:
    return table_spec(schema, gate(schema), "db", "weather__log", "weather")


@pytest.fixture
def spec(schema_of: ReadSchema) -> TableSpec:
    return _spec(
        schema_of(
            {"name": "_id", "type": "string"},
            {"name": "_source", "type": "string"},
            {"name": "time", "type": MICROS, "doc": "The hour, it's UTC"},
            {"name": "colour", "type": {"type": "enum", "name": "C", "symbols": ["RED"]}, "default": "RED"},
            ingest={"sort": ["time"], "mode": "append"},
            doc="Hourly weather",
        )
    )


def test_the_table_is_keyed_by_place_in_the_log(spec: TableSpec) -> None:
    assert create_table(spec) == (
        "CREATE TABLE IF NOT EXISTS `db`.`weather__log` (\n"
        "  `_id` String CODEC(ZSTD(1)),\n"
        "  `_source__text` String EPHEMERAL,\n"
        "  `_source` LowCardinality(String) DEFAULT `_source__text`,\n"
        "  `time` DateTime64(6, 'UTC') COMMENT 'The hour, it\\'s UTC' CODEC(DoubleDelta, ZSTD(1)),\n"
        "  `colour__text` String EPHEMERAL CAST('RED', 'String'),\n"
        "  `colour` LowCardinality(String) DEFAULT `colour__text`,\n"
        "  `_epoch` UInt64 COMMENT 'Which life of the topic: first eight bytes of the topic id',\n"
        "  `_partition` Int32 COMMENT 'Topic partition',\n"
        "  `_offset` Int64 COMMENT 'Offset within the partition' CODEC(DoubleDelta, ZSTD(1)),\n"
        "  `_log_time` DateTime64(3, 'UTC') COMMENT 'The broker\\'s timestamp' CODEC(DoubleDelta, ZSTD(1)),\n"
        "  `_ver` UInt64 COMMENT 'Generation and leader epoch; the newest wins' CODEC(ZSTD(1)),\n"
        "  `_canary_a` FixedString(8) EPHEMERAL,\n"
        "  `_canary_b` FixedString(8) EPHEMERAL,\n"
        "  `_frame` FixedString(5) EPHEMERAL,\n"
        "  `_want` FixedString(5) EPHEMERAL,\n"
        "  `_ok` UInt8 MATERIALIZED throwIf(bitNot(_canary_a) != _canary_b "
        "OR _canary_a = unhex('0000000000000000') OR _frame != _want, "
        "'a record is longer or shorter than its schema says')\n"
        ") ENGINE = ReplacingMergeTree(`_ver`)\n"
        "PARTITION BY toYYYYMM(least(greatest(`_log_time`, toDateTime64('2000-01-01 00:00:00', 3, 'UTC')), "
        "toDateTime64('2100-01-01 00:00:00', 3, 'UTC')))\n"
        "ORDER BY (`time`, `_epoch`, `_partition`, `_offset`)\n"
        "SETTINGS fsync_after_insert = 1, non_replicated_deduplication_window = 100\n"
        "COMMENT 'Hourly weather'"
    )


def test_readers_see_each_record_once_and_where_it_stood(spec: TableSpec) -> None:
    columns = [
        ("_id", ""),
        ("time", ""),
        ("_in__text", "EPHEMERAL"),
        ("_source", "DEFAULT"),
        ("_ok", "MATERIALIZED"),
    ]
    columns += [(name, "") for name in ("_epoch", "_partition", "_offset", "_log_time", "_ver")]
    assert create_view(spec, visible(columns)) == (
        "CREATE OR REPLACE VIEW `db`.`weather` AS SELECT `_id`, `time`, `_source`, "
        "`_epoch`, `_partition`, `_offset`, `_log_time` FROM `db`.`weather__log` FINAL "
        "SETTINGS do_not_merge_across_partitions_select_final = 1"
    )


def test_added_fields_are_added_columns(spec: TableSpec) -> None:
    assert add_columns(spec, {column.name: column.type for column in spec.columns}) is None
    assert add_columns(spec, {"_id": "String", "_source": "LowCardinality(String)"}) == (
        "ALTER TABLE `db`.`weather__log`\n"
        "  ADD COLUMN IF NOT EXISTS `time` DateTime64(6, 'UTC') COMMENT 'The hour, it\\'s UTC' "
        "CODEC(DoubleDelta, ZSTD(1)),\n"
        "  ADD COLUMN IF NOT EXISTS `colour__text` String EPHEMERAL CAST('RED', 'String'),\n"
        "  ADD COLUMN IF NOT EXISTS `colour` LowCardinality(String) DEFAULT `colour__text`"
    )


def test_a_sort_column_may_be_null(schema_of: ReadSchema) -> None:
    spec = _spec(schema_of({"name": "a", "type": ["null", "int"]}, ingest={"sort": ["a"]}))
    assert "allow_nullable_key = 1" in create_table(spec)


def test_columns_get_another_type_and_stay_what_else_they_are(spec: TableSpec) -> None:
    assert change_types(spec, {}) is None
    assert change_types(spec, {"a": "Nullable(Int64)", "b`": "Int64"}) == (
        "ALTER TABLE `db`.`weather__log`\n  MODIFY COLUMN `a` Nullable(Int64),\n  MODIFY COLUMN `b\\`` Int64"
    )


def test_a_sort_column_that_is_no_field_stops_the_topic(schema_of: ReadSchema) -> None:
    with pytest.raises(TopicStoppedError, match="hour"):
        _spec(schema_of({"name": "a", "type": "int"}, ingest={"sort": ["hour"]}))


def test_modes_that_are_not_kept_are_refused(schema_of: ReadSchema) -> None:
    with pytest.raises(TopicStoppedError, match="'upsert'"):
        _spec(schema_of({"name": "a", "type": "int"}, ingest={"mode": "upsert"}))
