"""What a connector promises about its records (model, key, event time, sort columns, mode), and their identity.

The schema is built from it in `schemas.avro`, bytes in `schemas.encoder`. `record_id` here is the reference that
the encoder's compiled version is tested against.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from schemas.records import DataRecord


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

    ":" and "\\" inside a text are escaped with "\\"; instants are UTC ISO-8601 with Z.
    """
    raise NotImplementedError


def data_record(
    contract: SourceContract, record: BaseModel, *, extracted_at: datetime, run_id: str
) -> DataRecord:
    """Wrap a record in its envelope; a source without a declared event time uses `extracted_at`."""
    raise NotImplementedError
