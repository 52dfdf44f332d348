"""The client against a real registry: the dev stack's, or the one the environment names."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from devstack.stack import Addresses
from schemas.avro import build_schema
from schemas.contract import SourceContract
from schemas.encoder import RecordEncoder
from schemas.errors import IncompatibleSchemaError, UnknownSchemaError
from schemas.names import Names
from schemas.registry import SchemaRegistry
from schemas.wire import split_frame


@pytest.fixture
def registry(addresses: Addresses) -> Iterator[SchemaRegistry]:
    with SchemaRegistry(addresses.registry_url) as client:
        yield client


@pytest.fixture
def subject() -> str:
    return f"t{secrets.token_hex(4)}.things-value"


def contract(**fields: Any) -> SourceContract:
    record: type[BaseModel] = create_model("Record", **fields)
    return SourceContract("things", record)


def schema(**fields: Any) -> dict[str, Any]:
    return build_schema(contract(**fields), Names())


def test_a_schema_comes_back_by_its_id(registry: SchemaRegistry, subject: str, addresses: Addresses) -> None:
    told = schema(x=(int, ...), y=(str | None, None))
    number = registry.register(subject, told)
    assert registry.register(subject, told) == number
    with SchemaRegistry(addresses.registry_url) as other:
        assert other.register(subject, told) == number
        found = other.schema(number)
    assert found.schema_type == "AVRO"
    assert '"ingest"' in found.text


def test_a_model_grows_and_older_schemas_stay(registry: SchemaRegistry, subject: str) -> None:
    first = registry.register(subject, schema(x=(int, ...)))
    second = registry.register(subject, schema(x=(int, ...), y=(str | None, None)))
    assert first != second
    assert registry.check(subject, schema(x=(int, ...), y=(str | None, None), z=(list[int], []))) == []


def test_what_an_older_version_wrote_counts_too(registry: SchemaRegistry, subject: str) -> None:
    """BACKWARD_TRANSITIVE: the field was dropped in between, but its records are still in the topic."""
    registry.register(subject, schema(x=(int, ...), y=(int | None, None)))
    registry.register(subject, schema(x=(int, ...)))
    changed = schema(x=(int, ...), y=(bool | None, None))
    [line] = registry.check(subject, changed)
    assert line.startswith("Record.y was long, and now is null or boolean")
    with pytest.raises(IncompatibleSchemaError, match=r"Record\.y was long"):
        registry.register(subject, changed)


def test_a_required_field_becomes_optional_before_it_goes_and_what_was_there_may_come_back(
    registry: SchemaRegistry, subject: str
) -> None:
    first = registry.register(subject, schema(x=(int, ...), price=(float, ...)))
    with pytest.raises(
        IncompatibleSchemaError, match=r"keep it as optional \(`price: float \| None = None`\)"
    ):
        registry.register(subject, schema(x=(int, ...)))
    optional = schema(x=(int, ...), price=(float | None, None))
    assert registry.check(subject, optional) == []
    registry.register(subject, optional)
    registry.register(subject, schema(x=(int, ...)))
    assert registry.register(subject, schema(x=(int, ...), price=(float, ...))) == first


def test_an_unknown_id_is_unknown(registry: SchemaRegistry) -> None:
    with pytest.raises(UnknownSchemaError):
        registry.schema(2_000_000_000)


def test_messages_carry_the_registered_id(registry: SchemaRegistry, subject: str) -> None:
    things = contract(x=(int, ...))
    told = build_schema(things, Names())
    number = registry.register(subject, told)
    encoder = RecordEncoder(things, told, number)
    [message] = encoder.encode([things.record(x=1)], extracted_at=datetime.now(UTC), run_id="r")
    assert split_frame(message["value"])[0] == number
