"""Apache Kafka as a part of the stack: one KRaft node on loopback, its data in the stack's folder.

Settings are Kafka's defaults but for what one node and quick starts need; they are written anew at each
start. The jars come from jars.py.
"""

import base64
import uuid
from pathlib import Path

from devstack.broker.metadata import missing_metadata
from devstack.errors import PartNotReadyError
from devstack.parts import Part
from devstack.ports import LOOPBACK
from devstack.processes import ChildProcess

FORMAT_SECONDS = 60
SERVER_PROPERTIES = "server.properties"
# Relative to the working folder: log.dirs is a comma-separated list in Latin-1, and a path may hold others.
DATA = "data"


class KafkaBroker(Part):
    """One node of Apache Kafka, broker and controller in one process.

    `libs` holds the jars, `java` is the executable. Data and cluster id survive stop(), kill() and the
    stack itself.
    """

    ready_seconds = 60.0
    stop_seconds = 20.0

    def __init__(
        self,
        port: int,
        controller_port: int,
        folder: Path,
        log: Path,
        *,
        java: Path,
        libs: Path,
        version: str,
    ) -> None:
        super().__init__("Apache Kafka", port, folder, log)
        self.label = f"Apache Kafka {version}"
        self._controller_port = controller_port
        self._java = java
        self._libs = libs

    def argv(self) -> list[str]:
        """Return the command of the broker."""
        options = ["-Xms256m", "-Xmx1g", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"]
        options += ["-Dorg.slf4j.simpleLogger.showDateTime=true"]
        options += ["-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX"]
        return [*self._program(*options), "kafka.Kafka", SERVER_PROPERTIES]

    def check(self) -> str | None:
        """Ask for metadata."""
        return missing_metadata(self.port)

    def prepare(self) -> None:
        """Write the settings; format the data folder when it is new."""
        text = server_properties(self.port, self._controller_port)
        (self.folder / SERVER_PROPERTIES).write_text(text)
        # Written last by the formatter, so its presence means that formatting was finished.
        if not (self.folder / DATA / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        (self.folder / DATA).mkdir(exist_ok=True)
        tool = ["kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", SERVER_PROPERTIES]
        # One second of work: the optimising compiler and the parallel collector cost more than they bring.
        quick = self._program("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
        child = ChildProcess("Apache Kafka's formatter", [*quick, *tool], log=self.log, cwd=self.folder)
        child.start()
        try:
            code = child.wait(FORMAT_SECONDS)
        finally:
            child.stop()
        if code != 0:
            raise PartNotReadyError(
                f"{child.name} failed with exit code {code} in {self.folder}. Its log is {self.log}; "
                f"the last lines:\n{child.log_tail()}"
            )

    def _program(self, *options: str) -> list[str]:
        return [str(self._java), *options, "-cp", f"{self._libs}/*"]


def server_properties(port: int, controller_port: int) -> str:
    """Return the text of the node's settings file."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": DATA,
        "auto.create.topics.enable": "false",
        # As Tansu, so that code that leaves the number to the broker meets the same on both.
        "num.partitions": 3,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        # 50 each by default, made at the first group and the first transaction: for one node, only a delay.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "group.coordinator.rebalance.protocols": "classic,consumer",
        "group.initial.rebalance.delay.ms": 0,
        # After a crash the node waits for its former self's session to run out: 9 s by default.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        # 128 MiB of heap by default.
        "log.cleaner.dedupe.buffer.size": 16 << 20,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def new_cluster_id() -> str:
    """Return a fresh id as Kafka makes them: 16 random bytes, URL-safe base 64, no dash in front."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
