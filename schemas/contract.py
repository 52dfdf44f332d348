"""What a connector promises about its records (model, key, event time, sort columns, mode); their identity.

The schema is built from it in `schemas.avro`, bytes in `schemas.encoder`. `record_id` here is the reference
that the encoder's compiled version is tested against.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Literal

from pydantic import BaseModel

from schemas.datum import read
from schemas.errors import ContractError, UnmappableFieldError
from schemas.identity import key_text, payload_id
from schemas.models import payload_record
from schemas.records import DataRecord
from schemas.shapes import Choice, Field, Fixed, Null, Scalar, Union


@dataclass(frozen=True)
class SourceContract:
    """One source's promise. `key`, `event_time` and `sort` name fields of `record` by their Python names."""

    source: str
    record: type[BaseModel]
    key: tuple[str, ...] = ()
    event_time: str | None = None
    sort: tuple[str, ...] = ()
    mode: Literal["append", "upsert"] = "append"
    doc: str = ""


def record_id(contract: SourceContract, record: BaseModel) -> str:
    """The record's deterministic id: key fields' texts joined by ":", without a key a hash of its Avro bytes.

    ":" and "\\" inside a text are escaped with "\\"; instants are UTC ISO-8601 with Z. Raises
    UnfitValueError for a value that Avro cannot carry, ContractError for a key that cannot be one.
    """
    path = contract.record.__name__
    fields = key_fields(contract)
    if not fields:
        return payload_id(payload_record(contract.record), record, path)
    return ":".join(
        key_text(field.shape, read(field, record, path), f"{path}.{field.name}") for field in fields
    )


def data_record(
    contract: SourceContract, record: BaseModel, *, extracted_at: datetime, run_id: str
) -> DataRecord:
    """Wrap a record in its envelope; a source without a declared event time uses `extracted_at`."""
    event_time = extracted_at if contract.event_time is None else getattr(record, contract.event_time)
    return DataRecord(
        id=record_id(contract, record),
        source=contract.source,
        event_time=event_time if event_time.tzinfo is not None else event_time.replace(tzinfo=UTC),
        extracted_at=extracted_at,
        run_id=run_id,
        payload=record,
    )


def key_fields(contract: SourceContract) -> tuple[Field, ...]:
    """The fields of the key; raises ContractError where one cannot be part of it."""
    return tuple(_scalar(contract, name, "the key") for name in contract.key)


def sort_fields(contract: SourceContract) -> tuple[Field, ...]:
    """The sort columns; raises ContractError where one cannot be."""
    return tuple(_scalar(contract, name, "the sort columns") for name in contract.sort)


def event_field(contract: SourceContract) -> Field | None:
    """The field of the event time, if one is declared; raises ContractError unless it is an instant."""
    if contract.event_time is None:
        return None
    field = _field(contract, contract.event_time, "the event time")
    if not (isinstance(field.shape, Scalar) and field.shape.kind == "instant"):
        raise UnmappableFieldError(
            f"{contract.record.__name__}.{field.name}",
            "is declared as the event time, but it is not an instant that is always there",
            "Declare the field as AwareDatetime, or name another one as event_time",
        )
    return field


def check_contract(contract: SourceContract) -> None:
    """Raise ContractError where key, sort columns, event time and mode do not fit the record."""
    key_fields(contract), sort_fields(contract), event_field(contract)
    if contract.mode == "upsert" and not contract.key:
        raise ContractError(f"{contract.source}: mode 'upsert' keeps one row per key, so declare a key")
    if contract.mode == "upsert" and contract.sort:
        raise ContractError(
            f"{contract.source}: mode 'upsert' sorts by the key alone, so declare no sort columns"
        )


def _scalar(contract: SourceContract, name: str, role: str) -> Field:
    field = _field(contract, name, role)
    path = f"{contract.record.__name__}.{name}"
    if isinstance(field.shape, Union) and Null() in field.shape.branches:
        raise UnmappableFieldError(
            path,
            f"may be None and cannot be part of {role}",
            "Declare it without None, or name another field",
        )
    # A float has two zeros and many NaNs: equal records would not have equal bytes.
    floating = isinstance(field.shape, Scalar) and field.shape.kind in ("double", "json")
    if floating or not isinstance(field.shape, Scalar | Fixed | Choice):
        raise UnmappableFieldError(
            path,
            f"cannot be part of {role}: it is not a plain value with one text",
            "Name fields of str, int, datetime, date, UUID, Decimal with digits, or an enumeration",
        )
    return field


def _field(contract: SourceContract, name: str, role: str) -> Field:
    fields = {field.name: field for field in payload_record(contract.record).fields}
    if name not in fields:
        close = get_close_matches(name, fields, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(fields)}"
        raise ContractError(
            f"{contract.source}: {role} names {name!r}, not in {contract.record.__name__}; {hint}"
        )
    return fields[name]
