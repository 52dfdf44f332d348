"""Values of a cursor as Avro gives them back: those in a topic and those of a run compare with each other.

Not by the author's validators, which need not take a value that they have made, and may do anything.
"""

import io
from typing import Any

import fastavro

from connectors.base import BaseConnector
from schemas.datum import to_datum
from schemas.encoder import RecordEncoder
from schemas.models import payload_record
from schemas.wire import FRAME_SIZE


class CursorValues:
    """Of one connector that declares a cursor field, under the schema of its encoder."""

    def __init__(self, connector: BaseConnector, encoder: RecordEncoder) -> None:
        fields = payload_record(connector.Record).fields
        self._field = next(field for field in fields if field.name == connector.cursor)
        self._framing = encoder.framing
        self._namespace = str(encoder.schema.get("namespace", ""))
        types = {field["name"]: field["type"] for field in encoder.schema["fields"]}
        self._type: Any = fastavro.parse_schema(types[self._field.wire])
        self._schema: Any = fastavro.parse_schema(encoder.schema)

    def of(self, cursor: Any) -> Any:
        """A cursor of the run; None stays None. Raises UnfitValueError for one that no record can have."""
        if cursor is None:
            return None
        datum = to_datum(self._field.shape, cursor, self._field.name, self._namespace)
        body = io.BytesIO()
        fastavro.schemaless_writer(body, self._type, datum)
        body.seek(0)
        return fastavro.schemaless_reader(body, self._type, None)

    def within(self, value: bytes) -> Any:
        """The cursor in a framed record; None if it has none, or is not of this schema."""
        if not value.startswith(self._framing):
            # Written under an older schema: not worth a request to the registry.
            return None
        try:
            body: Any = fastavro.schemaless_reader(io.BytesIO(value[FRAME_SIZE:]), self._schema, None)
        except Exception:
            # Nobody of us wrote it.
            return None
        return body[self._field.wire]
