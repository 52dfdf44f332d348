"""The servers that the tests run against, and settings that keep the tests apart.

Three addresses in the environment (INGEST_KAFKA__BOOTSTRAP_SERVERS, INGEST_REGISTRY__URL,
INGEST_CLICKHOUSE__URL) are taken as they are; INGEST_TEST_STACK=containers starts containers; otherwise the
dev stack is started once.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import clickhouse_connect
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as example_settings

from devstack.broker import choose_broker
from devstack.stack import Addresses, DevStack
from runtime.settings import Settings, load_settings
from tests.servers import GivenServers, Servers, given_addresses

REQUIRE_KAFKA = "INGEST_TEST_REQUIRE_KAFKA"

# How fast a machine makes examples, or how busy it is, says nothing about what is tested.
example_settings.register_profile(
    "ours", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
example_settings.load_profile("ours")


def pytest_report_header() -> str:
    return f"servers: {_description()}"


def _description() -> str:
    if given_addresses(os.environ):
        return "those named by the environment"
    if os.environ.get("INGEST_TEST_STACK") == "containers":
        return "containers"
    return f"dev stack with {choose_broker(os.environ.get('INGEST_DEV_BROKER', 'auto')).name}"


def _servers(folder: Path) -> AbstractContextManager[Servers]:
    if addresses := given_addresses(os.environ):
        return GivenServers(addresses)
    if os.environ.get("INGEST_TEST_STACK") == "containers":
        from tests.containers_stack import ContainersStack

        return ContainersStack()
    return DevStack(folder)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Broker, registry and ClickHouse, shared by all tests of a run."""
    with _servers(tmp_path_factory.mktemp("stack")) as servers:
        yield servers


@pytest.fixture(scope="session")
def addresses(stack: Servers) -> Addresses:
    return stack.addresses


@pytest.fixture(autouse=True)
def _full_broker(request: pytest.FixtureRequest) -> None:
    """Skip what only Apache Kafka can show, unless this run promised to have one."""
    if request.node.get_closest_marker("requires_kafka") is None:
        return
    addresses: Addresses = request.getfixturevalue("addresses")
    if addresses.kafka:
        return
    reason = f"needs a full Apache Kafka, this run has {addresses.broker}"
    if os.environ.get(REQUIRE_KAFKA) == "1":
        pytest.fail(f"{REQUIRE_KAFKA}=1, but this test {reason}")
    pytest.skip(reason)


@pytest.fixture
def environment(stack: Servers) -> Iterator[dict[str, str]]:
    """INGEST_* variables for the servers, with a topic prefix, a group and a database of the test's own."""
    word = f"t{secrets.token_hex(4)}"
    server, _, _ = stack.addresses.clickhouse_url.rpartition("/")
    client = clickhouse_connect.get_client(dsn=stack.addresses.clickhouse_url)
    client.command(f"CREATE DATABASE `{word}`")
    own = {
        "INGEST_TOPIC_PREFIX": word,
        "INGEST_CLICKHOUSE__URL": f"{server}/{word}",
        "INGEST_CONSUMER__GROUP": f"{word}-loader",
        "INGEST_PRODUCER__GROUP": f"{word}-producer",
        "INGEST_HTTP__PORT": "0",
    }
    try:
        yield {**stack.environment(), **own}
    finally:
        client.command(f"DROP DATABASE IF EXISTS `{word}`")
        client.close()


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """The same as settings."""
    return load_settings(env=environment)
