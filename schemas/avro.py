"""The Avro schema of a source: envelope fields first, then the payload at the same level."""

from copy import deepcopy
from typing import Any

from schemas.avro_types import field_types
from schemas.contract import SourceContract, check_contract, key_fields, sort_fields
from schemas.models import payload_record
from schemas.names import Names

_INSTANT = {"type": "long", "logicalType": "timestamp-micros"}

ENVELOPE: tuple[dict[str, Any], ...] = (
    {"name": "_id", "type": "string", "doc": "The same whenever the same source record is extracted"},
    {"name": "_source", "type": "string", "doc": "The source's name"},
    {"name": "_event_time", "type": _INSTANT, "doc": "When it happened, by the source's word"},
    {"name": "_extracted_at", "type": _INSTANT, "doc": "When the platform read it from the source"},
    {"name": "_run_id", "type": "string", "doc": "The run that extracted it"},
)


def build_schema(contract: SourceContract, names: Names) -> dict[str, Any]:
    """The full schema of a source's topic, as plain JSON data.

    The property "ingest" carries mode, sort columns and key to the consumer, by the names they have on the
    wire. Raises UnmappableFieldError naming the field's path, why, and what to declare instead;
    ContractError when key, sort, event time or mode do not fit the record.
    """
    return schema_in(contract, names.namespace(contract.source))


def schema_in(contract: SourceContract, namespace: str) -> dict[str, Any]:
    """The same under a namespace of any making."""
    record = payload_record(contract.record)
    check_contract(contract)
    doc = contract.doc or record.doc
    return {
        "type": "record",
        "name": record.name,
        "namespace": namespace,
        **({"doc": doc} if doc else {}),
        "ingest": {
            "mode": contract.mode,
            "sort": [field.wire for field in sort_fields(contract)],
            "key": [field.wire for field in key_fields(contract)],
        },
        "fields": [
            *deepcopy(ENVELOPE),
            *field_types(record.fields, contract.record.__name__, namespace),
        ],
    }
