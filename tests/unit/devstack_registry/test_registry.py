"""Ids, versions, deletion and levels follow Confluent's rules."""

import json
import threading

import pytest

from devstack.registry.compatibility import Level
from devstack.registry.errors import ApiError
from devstack.registry.registry import Registry
from devstack.registry.schemas import Reference, Schema
from tests.unit.devstack_registry.conftest import record

ONE = record(a="long")
WRONG_NAME = record(**{"ä": "int"})
TWO = record(a="long", b=(["null", "string"], None))


def _code(call: object, *arguments: object, **options: object) -> int:
    with pytest.raises(ApiError) as refused:
        call(*arguments, **options)  # type: ignore[operator]
    return refused.value.code


def test_the_same_schema_has_one_id_and_one_version_everywhere(registry: Registry) -> None:
    first = registry.register("s", ONE)
    again = registry.register("s", Schema("AVRO", ONE.text.replace(" ", "\n  ")))
    elsewhere = registry.register("other", ONE)
    second = registry.register("s", TWO)

    assert (first.id, first.version) == (again.id, again.version) == (1, 1)
    assert (elsewhere.id, elsewhere.version) == (1, 1)
    assert (second.id, second.version) == (2, 2)
    assert [(item.subject, item.version) for item in registry.uses(1)] == [("other", 1), ("s", 1)]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ('"string"', '{"type": "string"}', True),
        ('{"type": "array", "items": "int"}', '{"items": {"type": "int"}, "type": "array"}', True),
        ('{"type": "string", "doc": "x"}', '"string"', False),
        ('["null", "int"]', '["int", "null"]', False),
        ("string", '"string"', True),
    ],
)
def test_what_counts_as_the_same_schema(left: str, right: str, same: bool) -> None:
    assert (Schema("AVRO", left).identity == Schema("AVRO", right).identity) is same


def test_a_schema_of_another_type_is_another_schema(registry: Registry) -> None:
    ids = {registry.register(kind, Schema(kind, '{"type": "string"}')).id for kind in ("JSON", "AVRO")}

    assert len(ids) == 2


@pytest.mark.parametrize(
    "schema",
    [
        Schema("AVRO", "{"),
        Schema("AVRO", ""),
        Schema("AVRO", '{"type": "record", "name": "x"}'),
        Schema("AVRO", '{"type": "record", "name": "x", "fields": [{"name": "a-b", "type": "int"}]}'),
        record(
            a=["null", {"type": "map", "values": {"type": "array", "items": json.loads(WRONG_NAME.text)}}]
        ),
        Schema("AVRO", '{"type": "nonsense"}'),
        Schema("AVRO", "[" * 100_000),
        Schema("AVRO", '{"type": 7}'),
        Schema("JSON", "{"),
        Schema("XML", "<a/>"),
        Schema("AVRO", '"string"', (Reference("x", "nowhere", 1),)),
    ],
)
def test_an_invalid_schema_is_refused_with_42201(registry: Registry, schema: Schema) -> None:
    assert _code(registry.register, "s", schema) == 42201
    assert registry.subjects() == []


def test_an_incompatible_schema_is_refused_with_409_and_says_what_differs(registry: Registry) -> None:
    registry.register("s", ONE)
    with pytest.raises(ApiError, match=r"(?s)incompatible.*fields/1: c.*BACKWARD") as refused:
        registry.register("s", record(a="long", c="string"))

    assert refused.value.code == 409
    assert registry.versions("s") == [1]


def test_lookup_finds_a_schema_or_says_what_is_missing(registry: Registry) -> None:
    assert _code(registry.lookup, "s", ONE) == 40401
    registry.register("s", ONE)

    assert registry.lookup("s", ONE).version == 1
    assert _code(registry.lookup, "s", TWO) == 40403


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("9", 40402),
        ("0", 42202),
        ("-2", 42202),
        ("x", 42202),
        ("2147483648", 42202),
        ("٣", 42202),
        ("1_0", 42202),
    ],
)
def test_a_version_that_is_none_is_refused(registry: Registry, number: str, code: int) -> None:
    registry.register("s", ONE)

    assert _code(registry.version, "s", number) == code


def test_the_latest_version_has_two_names(registry: Registry) -> None:
    for schema in (ONE, TWO):
        registry.register("s", schema)

    assert registry.version("s", "latest") == registry.version("s", "-1") == registry.version("s", "2")


def test_a_subject_is_deleted_in_two_steps_and_numbers_go_on(registry: Registry) -> None:
    registry.register("s", ONE)
    registry.register("s", TWO)

    assert _code(registry.delete_subject, "s", permanent=True) == 40405
    assert registry.delete_subject("s") == [1, 2]
    assert _code(registry.delete_subject, "s") == 40404
    assert (registry.subjects(), registry.subjects(deleted=True)) == ([], ["s"])
    assert registry.subjects(deleted_only=True) == ["s"]
    assert _code(registry.versions, "s") == 40401
    assert registry.versions("s", deleted=True) == [1, 2]
    assert registry.lookup("s", ONE, deleted=True).id == 1

    again = registry.register("s", ONE)
    assert (again.id, again.version) == (1, 3)
    registry.delete_subject("s")
    assert registry.delete_subject("s", permanent=True) == [1, 2, 3]
    assert registry.register("s", ONE).version == 1


def test_a_version_is_deleted_in_two_steps(registry: Registry) -> None:
    registry.register("s", ONE)
    registry.register("s", TWO)

    assert _code(registry.delete_version, "s", "2", permanent=True) == 40407
    assert registry.delete_version("s", "latest") == 2
    assert _code(registry.delete_version, "s", "2") == 40406
    assert registry.versions("s") == [1]
    assert registry.delete_version("s", "2", permanent=True) == 2
    assert _code(registry.schema, 2) == 40403
    # An id is never given twice.
    assert registry.register("s", TWO).id == 3


def test_a_schema_may_use_another_one_which_then_stays(registry: Registry) -> None:
    registry.register("colours", Schema("AVRO", '{"type": "enum", "name": "Colour", "symbols": ["RED"]}'))
    user = Schema("AVRO", record(a="Colour").text, (Reference("Colour", "colours", 1),))
    used_by = registry.register("users", user).id

    assert registry.referencing("colours", "1") == [used_by]
    assert _code(registry.delete_subject, "colours") == 42206
    assert registry.versions("colours") == [1]
    wider = Schema("AVRO", record(a="Colour", b=("int", 0)).text, user.references)
    assert registry.register("users", wider).version == 2


def test_levels_are_global_or_a_subjects_own(registry: Registry) -> None:
    assert registry.level(None) is Level.BACKWARD
    assert _code(registry.level, "s") == 40408
    assert registry.level("s", default_to_global=True) is Level.BACKWARD

    registry.set_level("s", Level.NONE)
    registry.set_level(None, Level.FULL)
    assert (registry.level("s"), registry.level(None)) == (Level.NONE, Level.FULL)
    assert registry.reset_level("s") is Level.NONE
    assert registry.reset_level(None) is Level.FULL
    assert _code(registry.reset_level, "s") == 40401
    assert registry.level(None) is Level.BACKWARD


def test_many_threads_get_one_id_for_one_schema(registry: Registry) -> None:
    registry.set_level(None, Level.NONE)
    found: list[set[int]] = [set() for _ in range(5)]

    def register(thread: int) -> None:
        for number in range(5):
            found[number].add(registry.register(f"s{thread % 2}", record(**{f"f{number}": "int"})).id)

    threads = [threading.Thread(target=register, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(schema_id for ids in found for schema_id in ids) == [1, 2, 3, 4, 5]
    assert registry.versions("s0") == [1, 2, 3, 4, 5]
