"""`ingest dev`: broker, registry, ClickHouse and both daemons on this machine until Ctrl-C."""

import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from cli.daemons import Daemons
from devstack.stack import DevStack
from runtime.exit_codes import OK
from runtime.keys import FOREIGN, PREFIX
from runtime.stopping import Stopping

WATCH_SECONDS = 1.0
ENVIRONMENT = "env"
# The second shell may stand in another folder.
_PLACES = frozenset({"INGEST_CONFIG", "INGEST_SECRETS_DIR"})


def run(
    folder: Path | None,
    broker: str = "auto",
    connectors: Sequence[Path] = (),
    options: Mapping[str, str] = MappingProxyType({}),
    *,
    with_daemons: bool = True,
) -> int:
    """Run everything in `folder` (None: a temporary one, removed at the end) until asked to stop.

    `connectors` are folders with connector files, `options` further variables for the daemons, which can be
    left out. Returns the exit code; raises the errors of devstack, and DaemonDiedError when a daemon ends by
    itself.
    """
    more = {**options, **_connector_paths(connectors)}
    talk = Console(stderr=True)
    with Stopping() as stopping, ExitStack() as opened:
        home = folder or Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="ingest-dev-")))
        talk.print(f"Starting the dev stack in {home} …")
        stack = opened.enter_context(DevStack(home, broker=broker, say=talk.print))
        daemons = opened.enter_context(Daemons(stack, more)) if with_daemons else None
        _write_environment(stack.folder / ENVIRONMENT, {**stack.environment(), **more})
        talk.print(banner(stack, daemons, kept=folder is not None))
        while not stopping.wait(WATCH_SECONDS):
            stack.raise_if_died()
            if daemons is not None:
                daemons.raise_if_died()
        talk.print("Draining the daemons and ending the stack …" if daemons else "Ending the stack …")
    return OK


def banner(stack: DevStack, daemons: Daemons | None, *, kept: bool) -> Panel:
    """Where everything is, what is kept, and what this is not."""
    addresses = stack.addresses
    table = Table.grid(padding=(0, 2))
    rows = [
        ("broker", f"{addresses.broker}  {addresses.bootstrap_servers}"),
        ("registry", addresses.registry_url),
        ("ClickHouse", addresses.clickhouse_url),
        ("SQL", f"curl {_server(addresses.clickhouse_url)} --data-binary 'SHOW TABLES'"),
        ("weather API", f"{addresses.upstream_url}  (stand-in for Open-Meteo, data of 2013)"),
        *_daemon_rows(daemons),
        ("data", f"{stack.folder}  ({_keeping(kept, full_broker=addresses.kafka)})"),
        ("logs", str(stack.folder / "logs")),
        ("2nd shell", f". {stack.folder / ENVIRONMENT}   (then every `ingest` command finds this stack)"),
        ("Kafka tools", f"read no such file: give them -b {addresses.bootstrap_servers}"),
        ("properties", stack.environment().get("INGEST_KAFKA__PROPERTIES", "none needed")),
        ("not for", "production: one node, no passwords, loopback only"),
        ("stop", "Ctrl-C"),
    ]
    for name, value in rows:
        table.add_row(name, value)
    return Panel(table, title="ingest dev", expand=False)


def _daemon_rows(daemons: Daemons | None) -> list[tuple[str, str]]:
    if daemons is None:
        return [("daemons", "none: `ingest producer run`, `ingest consumer run` in a second shell")]
    return [(daemon.name, f"{daemon.url}/readyz?verbose") for daemon in daemons.both]


def _write_environment(file: Path, variables: Mapping[str, str]) -> None:
    """For a second shell: what the daemons were given, and a free port for whatever it starts.

    Readable by its owner alone, as settings of sources may be secret.
    """
    given = {name: value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    places = {name: str(Path(given[name]).resolve()) for name in _PLACES & given.keys()}
    own = {name: value for name, value in {**given, **places}.items() if not name.startswith(FOREIGN)}
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(_exports({**own, **variables, "INGEST_HTTP__PORT": "0"}), encoding="utf-8")


def _exports(variables: Mapping[str, str]) -> str:
    """A file for `.` in a second shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _server(url: str) -> str:
    """The URL without user and database: what the HTTP interface answers queries on."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port}/"


def _keeping(kept: bool, *, full_broker: bool) -> str:
    if not kept:
        return "removed at the end; --keep DIR keeps it"
    return "kept" if full_broker else "kept, but for the broker's: Tansu has its topics in memory"


def _connector_paths(folders: Sequence[Path]) -> dict[str, str]:
    paths = os.pathsep.join(str(folder.resolve()) for folder in folders)
    return {"INGEST_CONNECTORS__PATHS": paths} if paths else {}
