"""Encoders are kept between runs, but never for another model class than the one they were made for."""

from typing import Any, cast

import pytest
from pydantic import BaseModel

from connectors.base import BaseConnector
from connectors.registry import ConnectorRegistry, Plugin
from producer.preparation import Preparation
from schemas.encoder import RecordEncoder
from schemas.names import Names


class FakeTopics:
    """Every topic is there."""

    def ensure_source(self, topic: str, dead_letters: str, ledger: str) -> int:
        return 1_000_000


class CountingRegistry:
    """Registers anything and counts."""

    def __init__(self) -> None:
        self.registered = 0

    def register(self, subject: str, schema: object) -> int:
        self.registered += 1
        return self.registered


class Prices(BaseConnector):
    name = "prices"

    class Record(BaseModel):
        id: int

    def extract(self, since: object = None) -> object:  # type: ignore[override]
        yield {"id": 1}


def preparation(registry: CountingRegistry) -> Preparation:
    return Preparation(
        ConnectorRegistry([Plugin("prices", Prices, "test")]),
        cast("Any", registry),
        cast("Any", FakeTopics()),
        Names(),
        {},
    )


def encoder(prepared: Preparation) -> RecordEncoder:
    return prepared.prepare(prepared.connector("prices")).encoder


def test_a_second_run_needs_no_registry() -> None:
    registry = CountingRegistry()
    prepared = preparation(registry)
    assert encoder(prepared) is encoder(prepared)
    # Its own schema and the ledger's.
    assert registry.registered == 2


def test_another_model_class_of_the_same_schema_gets_an_encoder_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Record(BaseModel):
        id: int

    prepared = preparation(CountingRegistry())
    first = encoder(prepared)
    monkeypatch.setattr(Prices, "Record", Record)
    assert encoder(prepared) is not first
