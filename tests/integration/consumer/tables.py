"""Tables made and filled as the loader does it, without Kafka in between."""

import io
import json
import os
import uuid
from typing import Any

import fastavro

from consumer.clickhouse import ClickHouse
from consumer.container import Framer, Piece, Place, container, new_canary
from consumer.plans import Plan, Plans
from schemas.errors import UnknownSchemaError
from schemas.names import Names
from schemas.registry import RegisteredSchema, SchemaRegistry
from schemas.wire import frame

FRAME = b"\0\0\0\0\1"
PLACE = Place((1 << 32) + 1, 2**64 - 1, 3)
SYNC = os.urandom(16)


def body(schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    """An Avro body by fastavro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return out.getvalue()


class FewSchemas(SchemaRegistry):
    """A registry that knows these schemas, by the ids 1, 2, …"""

    def __init__(self, *schemas: dict[str, Any]) -> None:
        self._texts = [json.dumps(schema) for schema in schemas]

    def schema(self, schema_id: int) -> RegisteredSchema:
        if not 0 < schema_id <= len(self._texts):
            raise UnknownSchemaError(str(schema_id))
        return RegisteredSchema(schema_id, "AVRO", self._texts[schema_id - 1])


class Table:
    """The table of one schema, filled with framed bodies as the loader does it.

    `later` are schemas whose records are inserted by their number; `plan` is the one of the first.
    """

    def __init__(self, clickhouse: ClickHouse, schema: dict[str, Any], *later: dict[str, Any]) -> None:
        self.source = f"s{uuid.uuid4().hex[:12]}"
        self.clickhouse = clickhouse
        self.plans = Plans(FewSchemas(schema, *later), clickhouse, Names())
        self.plan: Plan = self.plans.plan(f"ingest.{self.source}", FRAME)

    def insert(self, bodies: list[bytes], offset: int = 0, *, schema_id: int = 1) -> None:
        five = frame(schema_id, b"")
        plan = self.plans.plan(f"ingest.{self.source}", five)
        framer = Framer(new_canary(os.urandom), five, SYNC)
        offsets = range(offset, offset + len(bodies))
        decoded = [plan.decoder.decode(body) for body in bodies] if plan.decode else bodies
        block = framer.block(
            PLACE, offsets, [1000 * number for number in offsets], [five + body for body in decoded]
        )
        self.clickhouse.insert(
            plan.into, container(plan.header, SYNC, [Piece(block, 0, block.rows)]), uuid.uuid4().hex
        )

    def rows(self, columns: str = "*") -> list[dict[str, Any]]:
        found = self.clickhouse._connected().query(  # noqa: SLF001 - bytes as they are, not as text
            f"SELECT {columns} FROM `{self.clickhouse.database}`.`{self.source}` ORDER BY _offset",
            query_formats={"String": "bytes", "FixedString": "bytes"},
            column_oriented=False,
        )
        return list(found.named_results())
