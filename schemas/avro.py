"""The Avro schema of a source: envelope fields first, then the payload at the same level."""

from typing import Any

from schemas.contract import SourceContract
from schemas.names import Names


def build_schema(contract: SourceContract, names: Names) -> dict[str, Any]:
    """The full schema of a source's topic, as plain JSON data.

    Raises UnmappableFieldError naming the field's path, why, and what to declare instead; ContractError when
    key, sort, event time or mode do not fit the record.
    """
    raise NotImplementedError
