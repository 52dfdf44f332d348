"""The three servers in containers answer at the addresses that the tests are given."""

import json
import secrets
import subprocess

import clickhouse_connect
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from tests.compose_file import load_compose
from tests.containers_stack import ContainersStack

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]


def missing() -> str | None:
    """Why the containers cannot be started without fetching anything, or None."""
    services = load_compose()["services"]
    images = [services[name]["image"] for name in ("kafka", "registry", "clickhouse")]
    try:
        asked = subprocess.run(
            ["docker", "image", "inspect", *images], capture_output=True, text=True, timeout=30, check=False
        )
    except FileNotFoundError:
        return "docker is not installed"
    return asked.stderr.strip() if asked.returncode else None


@pytest.mark.skipif((reason := missing()) is not None, reason=str(reason))
def test_the_three_servers_answer() -> None:
    name = f"t{secrets.token_hex(4)}"
    with ContainersStack() as stack:
        addresses = stack.addresses
        admin = AdminClient({"bootstrap.servers": addresses.bootstrap_servers})
        admin.create_topics([NewTopic(name, -1, -1)])[name].result(30)
        assert len(admin.list_topics(name, timeout=30).topics[name].partitions) == 3

        with SchemaRegistryClient({"url": addresses.registry_url}) as registry:
            text = json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]})
            number = registry.register_schema(f"{name}-value", Schema(text, "AVRO"))
            assert registry.get_schema(number).schema_str == text

        with clickhouse_connect.get_client(dsn=addresses.clickhouse_url) as clickhouse:
            assert clickhouse.command("SELECT currentDatabase()") == "ingest"
            clickhouse.command(f"CREATE DATABASE {name}")
        assert stack.environment()["INGEST_KAFKA__BOOTSTRAP_SERVERS"] == addresses.bootstrap_servers
