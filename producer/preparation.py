"""What stands before the first record: a connector with its settings, its topics, its registered schema.

Nothing here talks to the outside API. An incompatible schema or wrong settings stop this source here, with
words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.base import BaseConnector
from connectors.registry import ConnectorRegistry
from producer.ledger import Ledger
from producer.ledger import contract as ledger_contract
from producer.target import Target
from producer.topics import DEFAULT_MESSAGE_BYTES, Topics
from schemas.avro import build_schema
from schemas.contract import SourceContract
from schemas.encoder import RecordEncoder
from schemas.names import Names
from schemas.registry import SchemaRegistry


@dataclass(frozen=True)
class Prepared:
    """All that one run needs of its source."""

    connector: BaseConnector
    target: Target
    encoder: RecordEncoder
    ledger: Ledger


class Preparation:
    """Prepares runs. Encoders are kept, so that later runs of a source do not need the registry."""

    def __init__(
        self,
        connectors: ConnectorRegistry,
        schemas: SchemaRegistry,
        topics: Topics,
        names: Names,
        settings: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """`settings` are the connectors' own, by source."""
        self.connectors = connectors
        self._schemas = schemas
        self._topics = topics
        self._names = names
        self._settings = settings
        self._encoders: dict[str, tuple[SourceContract, RecordEncoder]] = {}

    def connector(self, source: str) -> BaseConnector:
        """A connector for one run; its author's constructor may do anything. Raises StopSourceError."""
        return self.connectors.create(source, self._settings.get(source, {}))

    def prepare(self, connector: BaseConnector) -> Prepared:
        """Make the source of `connector` ready to run.

        Raises BrokerAwayError and RegistryUnavailableError (try again), and ContractError,
        IncompatibleSchemaError or TopicRefusedError (change something).
        """
        contract = connector.contract()
        source, topic = contract.source, self._names.topic(contract.source)
        dead_letters = self._names.dead_letter_topic(topic)
        encoder = self._encoder(contract, topic)
        ledger = Ledger(self._encoder(ledger_contract(), self._names.ledger))
        limit = self._topics.ensure_source(topic, dead_letters, self._names.ledger)
        return Prepared(connector, self._target(source, limit), encoder, ledger)

    def bare_target(self, source: str) -> Target:
        """Enough to fence other producers of `source`; nothing is looked up or created."""
        return self._target(source, DEFAULT_MESSAGE_BYTES)

    def _target(self, source: str, topic_bytes: int) -> Target:
        topic = self._names.topic(source)
        return Target(
            source,
            topic,
            self._names.dead_letter_topic(topic),
            self._names.cursors,
            self._names.ledger,
            self._names.transactional_id(source),
            topic_bytes,
        )

    def _encoder(self, contract: SourceContract, topic: str) -> RecordEncoder:
        known = self._encoders.get(contract.source)
        # Not by the schema: an encoder takes records of its own model class, and two classes may have one.
        if known is not None and known[0] == contract:
            return known[1]
        schema = build_schema(contract, self._names)
        schema_id = self._schemas.register(self._names.subject(topic), schema)
        encoder = RecordEncoder(contract, schema, schema_id)
        self._encoders[contract.source] = (contract, encoder)
        return encoder
