"""Brings the dev stack up and down: broker, schema registry, ClickHouse endpoint, stand-in for Open-Meteo.

Everything of a stack is in one folder, used by one live stack at a time:

    broker/       Apache Kafka's settings and data (Tansu keeps nothing)
    registry/     schemas
    clickhouse/   tables
    logs/         one file per process
    ports.json    the ports of last time, taken again when they are free
    lock          held by the live stack, with its pid

What runs inside the parts is their own rooms' business; the daemons are started by `ingest dev`.
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from devstack.broker import Broker, Place, choose_broker, make_broker
from devstack.broker.jars import to_stderr
from devstack.broker.kafka import KafkaBroker
from devstack.broker.tansu import SESSION_PROPERTIES
from devstack.errors import FolderInUseError, FolderUnusableError, SetupError
from devstack.locks import FileLock
from devstack.parts import HttpPart, Part, make_folder
from devstack.ports import PortBook
from devstack.upstream.weather import FIRST_DAY, LAST_DAY


@dataclass(frozen=True)
class Addresses:
    """Where the parts answer, all on loopback.

    `clickhouse_url` carries user and database as clients want them; `upstream_url` is None without the
    stand-in; `broker` is for banners ("Apache Kafka 4.1.0"), `kafka` says whether it is the full broker.
    """

    bootstrap_servers: str
    registry_url: str
    clickhouse_url: str
    upstream_url: str | None
    broker: str
    kafka: bool


class DevStack:
    """The stack as a context manager: entering starts the parts and waits for them, leaving ends them.

    `folder` is created when missing and keeps its data. `broker` is auto, kafka or tansu; auto leaves it to
    INGEST_DEV_BROKER, and that to what the machine has. `upstream=False` leaves the stand-in for Open-Meteo
    out. `say` is told, in words, what takes long or differs from what one may expect.

    The parts are `broker`, `registry`, `clickhouse` and `upstream`; each can be stopped, killed and started
    again at its port. Raises the errors of devstack.errors.
    """

    broker: Broker
    registry: HttpPart
    clickhouse: HttpPart
    upstream: HttpPart | None

    def __init__(
        self,
        folder: Path,
        *,
        broker: str = "auto",
        upstream: bool = True,
        say: Callable[[str], None] = to_stderr,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        self.folder = folder.resolve()
        self.parts: tuple[Part, ...] = ()
        self._choice = choose_broker(broker, env)
        self._with_upstream = upstream
        self._say = say
        self._env = env
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        if self.parts:
            raise SetupError(f"The dev stack in {self.folder} is already started: leave it first.")
        with ExitStack() as undo:
            undo.callback(self._clear)
            self._lock_folder(undo)
            self._lay_out()
            undo.callback(self._stop)
            for part in self.parts:
                part.launch()
            for part in self.parts:
                part.await_ready()
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    @property
    def addresses(self) -> Addresses:
        """Where the parts answer. Raises SetupError outside the `with` block."""
        if not self.parts:
            raise SetupError("The dev stack is not started: use it in a `with` block.")
        return Addresses(
            bootstrap_servers=self.broker.address,
            registry_url=self.registry.url,
            clickhouse_url=f"http://default@{self.clickhouse.address}/default",
            upstream_url=self.upstream.url if self.upstream else None,
            broker=self.broker.label,
            kafka=isinstance(self.broker, KafkaBroker),
        )

    def environment(self) -> dict[str, str]:
        """Return the INGEST_* variables that point the daemons to this stack. Add them to os.environ."""
        addresses = self.addresses
        variables = {
            "INGEST_KAFKA__BOOTSTRAP_SERVERS": addresses.bootstrap_servers,
            "INGEST_REGISTRY__URL": addresses.registry_url,
            "INGEST_CLICKHOUSE__URL": addresses.clickhouse_url,
        }
        if not addresses.kafka:
            variables["INGEST_KAFKA__PROPERTIES"] = json.dumps(SESSION_PROPERTIES)
        if addresses.upstream_url:
            variables["INGEST_SOURCES__WEATHER__BASE_URL"] = addresses.upstream_url
            # The days that the stand-in has; the source's own default runs on to today.
            variables["INGEST_SOURCES__WEATHER__START_DATE"] = FIRST_DAY.isoformat()
            variables["INGEST_SOURCES__WEATHER__END_DATE"] = LAST_DAY.isoformat()
        return variables

    def raise_if_died(self) -> None:
        """Raise PartDiedError when a part has ended by itself since it was started."""
        for part in self.parts:
            part.raise_if_died()

    def _lock_folder(self, undo: ExitStack) -> None:
        make_folder(self.folder)
        lock = undo.enter_context(FileLock(self.folder / "lock"))
        try:
            ours = lock.acquire()
        except OSError as exc:
            raise FolderUnusableError(f"{lock.path} cannot be written: {exc.strerror}.") from exc
        if not ours:
            raise FolderInUseError(
                f"{self.folder} is in use by the dev stack of process {lock.holder or '(unknown)'}: "
                "end that one, or give this one another folder."
            )

    def _lay_out(self) -> None:
        logs = self.folder / "logs"
        make_folder(logs)
        ports = PortBook(self.folder / "ports.json")
        place = Place(self.folder / "broker", logs, ports)
        self.broker = make_broker(self._choice, place, say=self._say, env=self._env)
        self.registry = self._server("registry", ports, "/subjects")
        # Named, because the front's own defaults follow the environment of whoever starts the stack.
        self.clickhouse = self._server("clickhouse", ports, "/ping", "--user", "default", "--password", "")
        self.upstream = self._stand_in(ports, logs) if self._with_upstream else None
        # Those that start while the broker is being formatted come first.
        others = (self.clickhouse, self.registry, self.upstream)
        self.parts = (*(part for part in others if part), self.broker)

    def _server(self, name: str, ports: PortBook, probe: str, *options: str) -> HttpPart:
        folder = self.folder / name
        log = self.folder / "logs" / f"{name}.log"
        arguments = ("--data", str(folder), *options)
        return HttpPart(
            name, ports.port(name), folder, log, module=f"devstack.{name}", probe=probe, options=arguments
        )

    def _stand_in(self, ports: PortBook, logs: Path) -> HttpPart:
        port = ports.port("upstream")
        return HttpPart(
            "upstream",
            port,
            logs,
            logs / "upstream.log",
            module="devstack.upstream",
            probe="/faults",
            options=(),
        )

    def _stop(self) -> None:
        for part in self.parts:
            part.terminate()
        for part in self.parts:
            part.stop()

    def _clear(self) -> None:
        self.parts = ()
