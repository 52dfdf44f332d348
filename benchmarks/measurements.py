"""The measurements by name, as `benchmarks.child` runs them."""

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import ours, peers

MEASUREMENTS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "ingest_producer": ours.producer,
    "idempotent_producer": ours.idempotent_producer,
    "ingest_loader": ours.loader,
    "serializing_producer": peers.serializing_producer,
    "bare_consume": peers.bare_consume,
    "fastavro": peers.fastavro_loader,
    "confluent": peers.confluent_loader,
}
