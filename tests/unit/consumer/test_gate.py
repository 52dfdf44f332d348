from typing import Any

import pytest

from consumer.errors import SchemaUnusableError
from consumer.gate import ENVELOPE, RESERVED, gate
from consumer.schema_tree import Primitive
from tests.unit.consumer.conftest import ReadSchema

NULL_RECORD = {"type": "record", "name": "Nothing", "fields": [{"name": "n", "type": "null"}]}


def test_ordinary_fields_pass_undecoded(schema_of: ReadSchema) -> None:
    fields = [{"name": name, "type": "string"} for name in sorted(ENVELOPE)]
    nested = {"type": "record", "name": "Place", "fields": [{"name": "lat", "type": "double"}]}
    gated = gate(schema_of(*fields, {"name": "places", "type": {"type": "array", "items": nested}}))
    assert gated.fast


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ({"type": "array", "items": "null"}, "take no bytes"),
        ({"type": "array", "items": NULL_RECORD}, "take no bytes"),
        ({"type": "map", "values": "null"}, "take no bytes"),
        (["null", {"type": "array", "items": {"type": "array", "items": "null"}}], "take no bytes"),
        ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}, "take no bytes"),
        ({"type": "array", "items": {"type": "record", "name": "E", "fields": []}}, "take no bytes"),
        ("null", "always null"),
        (NULL_RECORD, "always null"),
        ({"type": "fixed", "name": "F", "size": 2_000_000_000}, "2000000000 bytes"),
        (
            ["null", {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}],
            "recursive",
        ),
        (["string", "bytes"], "cannot tell apart"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 100, "scale": 2}, "100 digits"),
        (
            {"type": "fixed", "name": "F", "size": 20, "logicalType": "decimal", "precision": 9},
            "9 digits in 20",
        ),
    ],
)
def test_what_the_engine_may_not_read_is_carried_as_text(schema_of: ReadSchema, kind: Any, why: str) -> None:
    gated = gate(schema_of({"name": "good", "type": "int"}, {"name": "odd", "type": kind}))
    assert not gated.fast
    assert list(gated.as_text) == ["odd"]
    assert why in gated.as_text["odd"]
    assert [entry.type for entry in gated.record.fields] == [Primitive("int"), Primitive("string")]


@pytest.mark.parametrize("name", [*sorted(RESERVED), "_source__text"])
def test_names_that_the_loader_needs_are_refused(schema_of: ReadSchema, name: str) -> None:
    with pytest.raises(SchemaUnusableError, match=name):
        gate(schema_of({"name": name, "type": "int"}))


def test_a_record_without_fields_has_no_columns(schema_of: ReadSchema) -> None:
    with pytest.raises(SchemaUnusableError, match="no fields"):
        gate(schema_of())
