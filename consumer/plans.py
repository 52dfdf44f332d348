"""How records of one topic and schema id get into ClickHouse: worked out once, then remembered.

From a frame (the five bytes before each Avro body) to registered schema, gate, table and container header.
"""

from dataclasses import dataclass
from threading import Lock

import structlog

from consumer import sql
from consumer.clickhouse import ClickHouse
from consumer.ddl import TableSpec, table_spec
from consumer.decoding import RecordDecoder
from consumer.doubt import Doubt
from consumer.errors import RetryError, SchemaUnusableError, TopicStoppedError
from consumer.gate import gate
from consumer.schema_tree import read_schema
from consumer.tables import Tables
from consumer.writer_schema import AFTER, BEFORE, header
from schemas.errors import RegistryRefusedError, RegistryUnavailableError, UnknownSchemaError
from schemas.names import Names
from schemas.registry import RegisteredSchema, SchemaRegistry
from schemas.wire import FRAME_SIZE

_TABLE_SUFFIX = "__log"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Plan:
    """What is the same for all batches of a topic and schema id.

    `into` is the quoted table with the columns that an insert names. `decode` is true when the gate asks for
    each record to be decoded by `decoder` first; otherwise that only explains what is wrong with a record.
    """

    spec: TableSpec
    into: str
    header: bytes
    decoder: RecordDecoder
    decode: bool


class Plans:
    """Makes and keeps plans. For several threads."""

    def __init__(
        self,
        registry: SchemaRegistry,
        clickhouse: ClickHouse,
        names: Names,
        doubt: Doubt | None = None,
    ) -> None:
        self._registry = registry
        self._database = clickhouse.database
        self._tables = Tables(clickhouse)
        self._names = names
        self._doubt = doubt or Doubt()
        self._lock = Lock()
        self._plans: dict[tuple[str, bytes], Plan] = {}

    def plan(self, topic: str, frame: bytes) -> Plan:
        """The plan, with table and view in place.

        Raises RetryError while registry or ClickHouse are away, SchemaUnusableError when the records can only
        be dead-lettered, TopicStoppedError when a person must act.
        """
        with self._lock:
            known = self._plans.get((topic, frame))
        plan = known or self._new(topic, frame)
        self._tables.ensure(plan.spec)
        with self._lock:
            self._plans[topic, frame] = plan
        return plan

    def forget(self, plan: Plan) -> None:
        """Look at the table again before the next insert."""
        self._tables.forget(plan.spec)

    def _new(self, topic: str, frame: bytes) -> Plan:
        source = self._names.source(topic)
        if source.endswith(_TABLE_SUFFIX):
            raise TopicStoppedError(
                f"The topic {topic} would need a view named {source!r}, which is how tables are named. "
                "Publish the source under another name."
            )
        registered = self._registered(frame)
        if registered.schema_type != "AVRO":
            raise SchemaUnusableError(
                f"schema {registered.id} is {registered.schema_type}, only AVRO can be loaded", "not_avro"
            )
        schema = read_schema(registered.text)
        gated = gate(schema)
        if gated.as_text:
            _log.warning("decoding_every_record", topic=topic, schema_id=registered.id, why=gated.as_text)
        names = self._names
        spec = table_spec(schema, gated, self._database, names.log_table(source), names.view(source))
        takes = [column.takes for column in spec.columns]
        inserted = [name for name, _ in BEFORE] + takes + [name for name, _ in AFTER]
        return Plan(
            spec,
            f"{spec.qualified_table} ({', '.join(map(sql.identifier, inserted))})",
            header(gated.record, takes),
            RecordDecoder(schema, gated.as_text),
            not gated.fast,
        )

    def _registered(self, frame: bytes) -> RegisteredSchema:
        schema_id = int.from_bytes(frame[1:FRAME_SIZE], "big")
        try:
            return self._registry.schema(schema_id)
        except RegistryUnavailableError as exc:
            raise RetryError(f"schema registry: {exc}") from exc
        except UnknownSchemaError as exc:
            if not self._doubt.believes():
                raise RetryError(
                    f"schema registry: says that it knows no schema {schema_id}, asked again"
                ) from exc
            raise SchemaUnusableError(f"the registry knows no schema {schema_id}", "unknown_schema") from exc
        except RegistryRefusedError as exc:
            raise TopicStoppedError(f"The schema registry refuses to show schema {schema_id}: {exc}") from exc
