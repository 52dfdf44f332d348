import json
from typing import Any

import pytest

from consumer.errors import SchemaUnusableError
from consumer.schema_tree import (
    MAX_NODES,
    MISSING,
    Array,
    Enum,
    Fixed,
    Node,
    Opaque,
    Primitive,
    Record,
    Reference,
    Union,
    read_schema,
)
from tests.unit.consumer.conftest import ReadSchema


def _field(kind: Any, name: str = "x", **rest: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **rest}


def _opaque(node: Node) -> list[str]:
    match node:
        case Opaque():
            return [node.why]
        case Array():
            return _opaque(node.items)
        case Union():
            return [why for branch in node.branches for why in _opaque(branch)]
        case Record():
            return [why for entry in node.fields for why in _opaque(entry.type)]
        case _:
            return []


def test_declarations_for_the_loader_are_read(schema_of: ReadSchema) -> None:
    schema = schema_of(
        _field("int", "a", doc="A number", default=3),
        ingest={"sort": ["a"], "mode": "append", "key": ["a"]},
        doc="Weather",
    )
    assert (schema.sort, schema.mode, schema.doc) == (("a",), "append", "Weather")
    entry = schema.record.fields[0]
    assert (entry.name, entry.type, entry.doc, entry.default) == ("a", Primitive("int"), "A number", 3)


def test_a_missing_default_is_not_a_null_default(schema_of: ReadSchema) -> None:
    schema = schema_of(_field("int", "a"), _field(["null", "int"], "b", default=None))
    assert schema.record.fields[0].default is MISSING
    assert schema.record.fields[1].default is None


def test_a_named_type_used_again_is_put_in_its_place(schema_of: ReadSchema) -> None:
    colour = {"type": "enum", "name": "Colour", "symbols": ["RED"]}
    schema = schema_of(_field(colour, "a"), _field("Colour", "b"), _field("ingest.weather.Colour", "c"))
    assert {entry.type for entry in schema.record.fields} == {Enum(("RED",))}
    assert schema.written.fields[1].type == Reference("ingest.weather.Colour")


def test_logical_types_are_kept_and_senseless_ones_dropped(schema_of: ReadSchema) -> None:
    schema = schema_of(
        _field({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, "a"),
        _field({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 4}, "b"),
        _field({"type": "fixed", "name": "F", "size": 12, "logicalType": "duration"}, "c"),
        _field({"type": {"type": "string"}}, "d"),
    )
    assert [entry.type for entry in schema.record.fields] == [
        Primitive("bytes", "decimal", 4, 2),
        Primitive("bytes"),
        Fixed(12, "duration"),
        Primitive("string"),
    ]


def test_recursion_ends_the_tree_where_it_begins(schema_of: ReadSchema) -> None:
    node = {"type": "record", "name": "Node", "fields": [_field(["null", "Node"], "next")]}
    schema = schema_of(_field(node), _field(["null", "ingest.weather.Record"], "self"))
    assert _opaque(schema.record.fields[0].type) == ["recursive through ingest.weather.Node"]
    assert _opaque(schema.record.fields[1].type) == ["recursive through ingest.weather.Record"]


def test_sixteen_levels_are_a_tree_and_seventeen_are_not(schema_of: ReadSchema) -> None:
    def nested(levels: int) -> Any:
        return "int" if levels == 1 else {"type": "array", "items": nested(levels - 1)}

    assert _opaque(schema_of(_field(nested(16))).record) == []
    assert _opaque(schema_of(_field(nested(17))).record) == ["nested more than 16 levels deep"]


def test_a_short_schema_cannot_make_a_huge_tree(schema_of: ReadSchema) -> None:
    kind: Any = {"type": "record", "name": "R0", "fields": [_field("int", f"f{i}") for i in range(10)]}
    for level in range(1, 8):
        fields = [_field(kind, "f0"), *(_field(f"R{level - 1}", f"f{i}") for i in range(1, 10))]
        kind = {"type": "record", "name": f"R{level}", "fields": fields}
    assert f"part of a schema of more than {MAX_NODES} types" in _opaque(schema_of(_field(kind)).record)


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        '"string"',
        "[]",
        "[" * 100_000,
        '{"type": "record", "name": "R"}',
        '{"type": "record", "name": "R", "fields": [{"type": "int"}]}',
        '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "nonsense"}]}',
        '{"type": "record", "name": "R", "fields": [{"name": "a", "type": null}]}',
        '{"type": "record", "name": "R", "fields": ['
        '{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}',
        '{"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "enum", "name": "E"}}]}',
        '{"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "fixed", "name": "F"}}]}',
    ],
)
def test_what_is_no_record_is_refused_with_words(text: str) -> None:
    with pytest.raises(SchemaUnusableError):
        read_schema(text)


def test_two_definitions_of_one_name_are_refused() -> None:
    twice = {"type": "enum", "name": "E", "symbols": ["A"]}
    fields = [{"name": "a", "type": twice}, {"name": "b", "type": {**twice, "symbols": ["B"]}}]
    with pytest.raises(SchemaUnusableError, match="defined twice"):
        read_schema(json.dumps({"type": "record", "name": "R", "fields": fields}))


def test_a_schema_nested_too_deep_to_walk_is_refused() -> None:
    kind: Any = "int"
    for _ in range(150):
        kind = {"type": "array", "items": kind}
    with pytest.raises(SchemaUnusableError, match="levels deep"):
        read_schema(json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": kind}]}))
