"""Runs docker-compose.yml as a project of its own: own name, own ports, own folder of connectors."""

import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from devstack.ports import PortBook
from tests.compose_file import COMPOSE, ROOT, load_compose
from tests.daemon_process import until

KILL_ALL = "import os; os.kill(-1, 9)"


class Project:
    """The services of docker-compose.yml under a name of their own."""

    def __init__(self, folder: Path) -> None:
        book = PortBook(folder / "ports.json")
        ports = ("KAFKA_PORT", "REGISTRY_PORT", "CLICKHOUSE_PORT", "PRODUCER_PORT", "CONSUMER_PORT")
        self.connectors = folder / "connectors"
        self.connectors.mkdir()
        # The daemons are another user than the one that runs the tests.
        self.connectors.chmod(0o755)
        folder.chmod(0o755)
        self.ports = {name: book.port(name) for name in ports}
        self._name = f"ingest-test-{secrets.token_hex(4)}"
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("INGEST_")},
            **{name: str(port) for name, port in self.ports.items()},
            "CONNECTORS": str(self.connectors),
        }

    def compose(self, *words: str, seconds: float = 300) -> str:
        """Run docker-compose and return what it wrote; raises CalledProcessError with it when it fails."""
        tool = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        command = [*tool, "--file", str(COMPOSE), "--project-name", self._name, *words]
        result = subprocess.run(
            command,
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if result.returncode:
            pytest.fail(f"{' '.join(command)} returned {result.returncode}:\n{result.stdout}{result.stderr}")
        return result.stdout

    def state(self, service: str) -> dict[str, Any]:
        """Return what Docker says of a service's container: `State`, `RestartCount` and the rest."""
        container = self.compose("ps", "--quiet", service).strip()
        text = subprocess.run(
            ["docker", "inspect", container], capture_output=True, text=True, timeout=30, check=True
        ).stdout
        found: dict[str, Any] = json.loads(text)[0]
        return found

    def health(self) -> dict[str, str]:
        """Return each service's health as Docker sees it."""
        services = self.compose("ps", "--services").split()
        return {name: self.state(name)["State"]["Health"]["Status"] for name in services}

    def kill_inside(self, service: str) -> None:
        """Kill the daemon's process as a crash would: `docker kill` counts as stopped by hand."""
        before = self.state(service)["RestartCount"]
        # Ends itself as well at times, so its return code says nothing.
        subprocess.run(
            ["docker", "exec", self.state(service)["Id"], "python3", "-c", KILL_ALL],
            capture_output=True,
            timeout=30,
            check=False,
        )
        until(lambda: self.state(service)["RestartCount"] > before, f"{service} to be started again", 60)

    def clickhouse(self) -> Client:
        """A client of the warehouse, as the consumer's user."""
        who = load_compose()["services"]["clickhouse"]["environment"]
        return clickhouse_connect.get_client(
            host="127.0.0.1",
            port=self.ports["CLICKHOUSE_PORT"],
            username=who["CLICKHOUSE_USER"],
            password=who["CLICKHOUSE_PASSWORD"],
            database=who["CLICKHOUSE_DB"],
        )
