"""What a test may ask of the servers, whoever started them."""

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from devstack.stack import Addresses

VARIABLES = ("INGEST_KAFKA__BOOTSTRAP_SERVERS", "INGEST_REGISTRY__URL", "INGEST_CLICKHOUSE__URL")


class Servers(Protocol):
    """Running servers: where they are, and the settings that lead a daemon to them."""

    @property
    def addresses(self) -> Addresses: ...

    def environment(self) -> dict[str, str]: ...


class GivenServers:
    """Servers that were there before the tests and stay after them."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end: they are not ours."""

    def environment(self) -> dict[str, str]:
        values = (
            self.addresses.bootstrap_servers,
            self.addresses.registry_url,
            self.addresses.clickhouse_url,
        )
        return dict(zip(VARIABLES, values, strict=True))


def given_addresses(environment: Mapping[str, str]) -> Addresses | None:
    """The addresses that the environment names, if it names all three; they count as Apache Kafka."""
    values = [environment.get(variable, "") for variable in VARIABLES]
    if not all(values):
        return None
    return Addresses(
        bootstrap_servers=values[0],
        registry_url=values[1],
        clickhouse_url=values[2],
        upstream_url=None,
        broker="the broker named by the environment",
        kafka=True,
    )
