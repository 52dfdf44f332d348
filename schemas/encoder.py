"""Records to framed Avro messages, a slice at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from schemas.contract import SourceContract


class RecordEncoder:
    """Encodes the records of one contract under one registered schema."""

    def __init__(self, contract: SourceContract, schema: dict[str, Any], schema_id: int) -> None:
        raise NotImplementedError

    def encode(
        self, records: Sequence[BaseModel], *, extracted_at: datetime, run_id: str
    ) -> list[dict[str, bytes]]:
        """[{"key": id in UTF-8, "value": framed Avro}] for each record, ready for Producer.produce_batch.

        Raises UnencodableRecordError for the first record that Avro cannot carry.
        """
        raise NotImplementedError
