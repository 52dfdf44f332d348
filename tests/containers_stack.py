"""The three servers as containers: images, variables and health checks as docker-compose.yml has them.

Chosen with INGEST_TEST_STACK=containers. It has what tests may use of the dev stack (tests/servers.py).
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import ExecWaitStrategy

from devstack.ports import LOOPBACK, PortBook
from devstack.stack import Addresses
from tests.compose_file import load_compose
from tests.servers import VARIABLES

START_SECONDS = 180


class ContainersStack:
    """Kafka, registry and ClickHouse as a context manager: entering waits until they are healthy.

    Leaving removes containers, volumes and network. Raises testcontainers' errors; for a container that does
    not become healthy TimeoutError, with the last answer of its health check and its log.
    """

    def __init__(self) -> None:
        self._undo = ExitStack()
        self._addresses: Addresses | None = None

    def __enter__(self) -> Self:
        # Its reaper container would have to be pulled, and this class removes what it starts. A killed test
        # run leaves containers behind: `docker ps --filter label=org.testcontainers`.
        testcontainers_config.ryuk_disabled = True
        with ExitStack() as undo:
            self._addresses = _start(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._addresses = None
        self._undo.close()

    @property
    def addresses(self) -> Addresses:
        """Where the containers answer. Only inside the `with` block."""
        if self._addresses is None:
            raise RuntimeError("The containers are not started: use ContainersStack in a `with` block.")
        return self._addresses

    def environment(self) -> dict[str, str]:
        """Return the INGEST_* variables that point the daemons to these servers."""
        addresses = self.addresses
        values = (addresses.bootstrap_servers, addresses.registry_url, addresses.clickhouse_url)
        return dict(zip(VARIABLES, values, strict=True))


def _start(undo: ExitStack) -> Addresses:
    # Kafka tells its clients where to come back to, so its port must be known before it starts.
    kafka_port = PortBook(Path(undo.enter_context(tempfile.TemporaryDirectory())) / "ports").port("kafka")
    services = load_compose({"KAFKA_PORT": str(kafka_port)})["services"]
    network = undo.enter_context(Network())

    kafka = _container("kafka", services["kafka"], network)
    kafka.ports["9092/tcp"] = (LOOPBACK, kafka_port)  # type: ignore[assignment]
    listeners = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    host = kafka.get_docker_client().host()
    kafka.with_env("KAFKA_ADVERTISED_LISTENERS", listeners.replace("//localhost:", f"//{host}:"))

    registry = _container("registry", services["registry"], network)
    clickhouse = _container("clickhouse", services["clickhouse"], network)
    for container in (kafka, registry, clickhouse):
        undo.enter_context(container)

    who = services["clickhouse"]["environment"]
    user, password, database = (who[f"CLICKHOUSE_{part}"] for part in ("USER", "PASSWORD", "DB"))
    return Addresses(
        bootstrap_servers=f"{host}:{kafka_port}",
        registry_url=f"http://{host}:{registry.get_exposed_port(8080)}/apis/ccompat/v7",
        clickhouse_url=f"http://{user}:{password}@{host}:{clickhouse.get_exposed_port(8123)}/{database}",
        upstream_url=None,
        broker=f"{services['kafka']['image']} in a container",
        kafka=True,
    )


def _container(name: str, service: dict[str, Any], network: Network) -> DockerContainer:
    """A container as compose would create it, on a random loopback port; the others reach it as `name`."""
    container = DockerContainer(
        service["image"],
        env={key: str(value) for key, value in service["environment"].items()},
        network=network,
        network_aliases=[name],
    )
    (published,) = service["ports"]
    inside = published.rpartition(":")[2]
    container.ports[f"{inside}/tcp"] = (LOOPBACK, None)  # type: ignore[assignment]
    return container.waiting_for(_probe(service["healthcheck"]["test"]))


def _probe(check: list[str]) -> ExecWaitStrategy:
    """Ask what compose's health check asks, but only until the first good answer."""
    how, *words = check
    command = words if how == "CMD" else ["sh", "-c", *words]
    return ExecWaitStrategy(command).with_startup_timeout(START_SECONDS)
