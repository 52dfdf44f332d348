"""Each level asks what Confluent's registry asks."""

import pytest

from devstack.registry.compatibility import Level, differences, parse_level
from devstack.registry.errors import ApiError
from devstack.registry.schemas import Reference, Schema
from tests.unit.devstack_registry.conftest import record


def _nowhere(reference: Reference) -> Schema:
    raise AssertionError(reference)


def _fits(new: Schema, *earlier: Schema, level: Level) -> bool:
    return not differences(new, earlier, level, _nowhere)


ONE = record(a="int")
WITH_DEFAULT = record(a="int", b=("string", ""))
WITHOUT_DEFAULT = record(a="int", b="string")
WIDER = record(a="long")


@pytest.mark.parametrize(
    ("new", "old", "backward", "forward"),
    [
        (WITH_DEFAULT, ONE, True, True),
        (WITHOUT_DEFAULT, ONE, False, True),
        (ONE, WITHOUT_DEFAULT, True, False),
        (ONE, WITH_DEFAULT, True, True),
        (WIDER, ONE, True, False),
        (ONE, WIDER, False, True),
        (record(a="string"), ONE, False, False),
        (record(a=["null", "int"]), ONE, True, False),
        (record(a={"type": "array", "items": "long"}), record(a={"type": "array", "items": "int"}),
         True, False),
        (Schema("AVRO", '{"type": "enum", "name": "E", "symbols": ["A", "B"]}'),
         Schema("AVRO", '{"type": "enum", "name": "E", "symbols": ["A"]}'), True, False),
        (Schema("AVRO", '{"type": "fixed", "name": "F", "size": 2}'),
         Schema("AVRO", '{"type": "fixed", "name": "F", "size": 3}'), False, False),
        (record(next=["null", "Record"], a=("int", 1)), record(next=["null", "Record"]), True, True),
        (record(next=["null", "Record"], a="int"), record(next=["null", "Record"]), False, True),
    ],
)  # fmt: skip
def test_who_can_read_what(new: Schema, old: Schema, backward: bool, forward: bool) -> None:
    for level in (Level.BACKWARD, Level.BACKWARD_TRANSITIVE):
        assert _fits(new, old, level=level) is backward
    for level in (Level.FORWARD, Level.FORWARD_TRANSITIVE):
        assert _fits(new, old, level=level) is forward
    for level in (Level.FULL, Level.FULL_TRANSITIVE):
        assert _fits(new, old, level=level) is (backward and forward)
    assert _fits(new, old, level=Level.NONE)


@pytest.mark.parametrize(
    ("level", "fits"),
    [
        (Level.BACKWARD, True),
        (Level.BACKWARD_TRANSITIVE, False),
        (Level.FORWARD, True),
        (Level.FORWARD_TRANSITIVE, True),
        (Level.FULL, True),
        (Level.FULL_TRANSITIVE, False),
    ],
)
def test_transitive_levels_look_at_all_earlier_schemas(level: Level, fits: bool) -> None:
    """The new schema takes b as given, as the last one did; the first one knew no b."""
    assert _fits(WITHOUT_DEFAULT, ONE, WITH_DEFAULT, level=level) is fits


def test_the_first_schema_fits_every_level() -> None:
    assert all(_fits(ONE, level=level) for level in Level)


def test_other_types_are_compatible_with_their_own_only() -> None:
    json_schema, other = Schema("JSON", "{}"), Schema("JSON", '{"type": "object"}')

    assert _fits(other, json_schema, level=Level.FULL_TRANSITIVE)
    assert "SCHEMA_TYPE_MISMATCH" in differences(ONE, [json_schema], Level.BACKWARD, _nowhere)[0]


def test_a_difference_names_its_place_and_reason() -> None:
    (told,) = differences(WITHOUT_DEFAULT, [ONE], Level.BACKWARD, _nowhere)

    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in told
    assert "at /fields/1: b" in told


def test_levels_are_read_in_any_case_and_others_refused() -> None:
    assert parse_level("full_Transitive") is Level.FULL_TRANSITIVE
    for wrong in ("", None, "SOMETIMES"):
        with pytest.raises(ApiError, match="backward_transitive") as refused:
            parse_level(wrong)
        assert refused.value.code == 42203
