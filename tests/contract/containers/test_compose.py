"""docker-compose.yml: both compose versions read it, all is pinned, on loopback, with known settings."""

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest

from runtime.settings import load_settings
from tests.compose_file import COMPOSE, ROOT, load_compose, variable_names

COMPOSE_FILE = load_compose()
SERVICES: dict[str, dict[str, Any]] = COMPOSE_FILE["services"]
SERVERS = ("kafka", "registry", "clickhouse")
DAEMONS = ("producer", "consumer")

# What docker-compose 1.29 reads of what we would write; try anything new with it before it goes in here.
SERVICE_KEYS = {
    *(
        "build",
        "cap_drop",
        "command",
        "depends_on",
        "environment",
        "healthcheck",
        "hostname",
        "image",
        "init",
    ),
    *(
        "ports",
        "profiles",
        "read_only",
        "restart",
        "security_opt",
        "stop_grace_period",
        "tmpfs",
        "volumes",
    ),
}
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period"}  # 1.29 refuses start_interval
BUILD_KEYS = {"context", "args"}

services = pytest.mark.parametrize("name", SERVICES)
servers = pytest.mark.parametrize("name", SERVERS)
daemons = pytest.mark.parametrize("name", DAEMONS)


def seconds(text: str) -> float:
    """`35s` or `2m` as seconds."""
    return float(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def test_only_top_level_keys_that_both_versions_read() -> None:
    assert {key for key in COMPOSE_FILE if not key.startswith("x-")} == {"services", "volumes"}


@services
def test_only_service_keys_that_both_versions_read(name: str) -> None:
    service = SERVICES[name]
    assert service.keys() <= SERVICE_KEYS
    assert service.get("healthcheck", {}).keys() <= HEALTH_KEYS
    assert service.get("build", {}).keys() <= BUILD_KEYS
    assert all(wish.keys() == {"condition"} for wish in service.get("depends_on", {}).values())
    assert all(isinstance(port, str) for port in service.get("ports", []))


@servers
def test_servers_are_pinned_to_a_full_version(name: str) -> None:
    _, _, tag = SERVICES[name]["image"].rpartition(":")
    assert re.fullmatch(r"\d+(\.\d+){2,3}", tag)


def test_kafka_is_the_version_of_the_dev_stack() -> None:
    jars = (ROOT / "devstack/broker/pom.xml").read_text()
    version = SERVICES["kafka"]["image"].rpartition(":")[2]
    assert f"<kafka.version>{version}</kafka.version>" in jars


@services
def test_ports_are_on_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_no_two_services_want_the_same_port() -> None:
    published = [
        port.rpartition(":")[0] for service in SERVICES.values() for port in service.get("ports", [])
    ]
    assert len(published) == len(set(published))


@services
def test_whoever_is_waited_for_can_become_healthy(name: str) -> None:
    for other, wish in SERVICES[name].get("depends_on", {}).items():
        assert wish == {"condition": "service_healthy"}
        assert other in DAEMONS or "healthcheck" in SERVICES[other]


@services
def test_everything_comes_back_after_a_crash(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"


@daemons
def test_daemons_need_no_rights_and_no_disk(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["command"] == ["ingest", name, "run"]


@daemons
def test_daemons_get_more_time_to_stop_than_they_take(name: str) -> None:
    settings = load_settings(env={})
    drain = {"producer": settings.producer.drain_seconds, "consumer": settings.consumer.drain_seconds}[name]
    assert seconds(SERVICES[name]["stop_grace_period"]) > drain + 5


@daemons
def test_daemons_are_given_settings_that_exist(name: str) -> None:
    environment = {
        key: str(value) for key, value in SERVICES[name]["environment"].items() if value is not None
    }
    settings = load_settings(env=environment)
    assert settings.kafka.bootstrap_servers == "kafka:19092"
    assert settings.registry.url == "http://registry:8080/apis/ccompat/v7"
    assert [str(path) for path in settings.connectors.paths] == (
        ["/connectors"] if name == "producer" else []
    )


def test_the_password_is_no_word_of_ours() -> None:
    """Logs blot a secret out wherever it stands: `ingest` would take every topic's name with it."""
    password = SERVICES["clickhouse"]["environment"]["CLICKHOUSE_PASSWORD"]
    assert password not in json.dumps({**SERVICES["producer"], **SERVICES["kafka"]})


def test_only_the_consumer_knows_the_password() -> None:
    variables = {"CLICKHOUSE_PASSWORD": "s3cret"}
    filled = load_compose(variables)["services"]
    assert "s3cret" in json.dumps(filled["consumer"])
    assert filled["clickhouse"]["environment"]["CLICKHOUSE_PASSWORD"] == "s3cret"
    assert "s3cret" not in json.dumps(filled["producer"])


def test_schemas_outlive_the_registry() -> None:
    """Its default storage is memory; its storage in Kafka says 404 to known ids while it starts."""
    registry = SERVICES["registry"]
    where = re.fullmatch(
        r"jdbc:h2:file:(/\w+)/registry;WRITE_DELAY=0", registry["environment"]["APICURIO_DATASOURCE_URL"]
    )
    assert where is not None
    assert registry["volumes"] == [f"registry-data:{where[1]}"]


def test_data_lives_in_declared_volumes() -> None:
    named = {
        mount.partition(":")[0]
        for service in SERVICES.values()
        for mount in service.get("volumes", [])
        if not mount.startswith((".", "/"))
    }
    assert named == COMPOSE_FILE["volumes"].keys() == {"kafka-data", "registry-data", "clickhouse-data"}


def test_every_variable_is_explained_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    shown = dict(
        line.lstrip("#").split("=", 1) for line in example.splitlines() if re.match(r"#?[A-Z_]+=", line)
    )
    passed_on = {
        key for name in DAEMONS for key, value in SERVICES[name]["environment"].items() if value is None
    }
    assert shown.keys() == variable_names() | passed_on
    # The values shown are the defaults: setting them all changes nothing.
    assert load_compose(shown) == COMPOSE_FILE


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_docker_compose_accepts_the_file() -> None:
    command = ["docker-compose", "--file", str(COMPOSE), "config", "--quiet"]
    clean = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME")}
    result = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
