"""`ingest doctor`: does each thing that the daemons depend on answer, and what to do when it does not."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from cli.options import Json
from cli.session import Session, current

if TYPE_CHECKING:
    from runtime.settings import Settings

_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """One dependency: `detail` says what answered or what went wrong, `fix` what to do about it."""

    name: str
    ok: bool
    detail: str
    fix: str | None = None


def doctor(
    context: typer.Context,
    as_json: Json = False,
) -> None:
    """Ask broker, registry and ClickHouse, and look at the connectors. Exit code 4: no answer."""
    from cli.output import print_json
    from cli.servers import ask_broker, ask_clickhouse, ask_registry
    from runtime.exit_codes import ExitCode

    session = current(context, as_json=as_json)
    settings = session.settings()
    with _silence(unless=session.debug):
        servers = [
            _asked("broker", settings, ask_broker),
            _asked("registry", settings, ask_registry),
            _asked("clickhouse", settings, ask_clickhouse),
        ]
    findings = [*servers, _connectors(session, settings)]
    if as_json:
        print_json({"ok": all(each.ok for each in findings), "findings": [asdict(each) for each in findings]})
    else:
        for each in findings:
            typer.echo(f"{'ok   ' if each.ok else 'FAULT'}  {each.name:<11} {each.detail}")
            if each.fix:
                typer.echo(f"       {'':<11} fix: {each.fix}")
    if not all(each.ok for each in servers):
        raise typer.Exit(ExitCode.UNREACHABLE)
    if not findings[-1].ok:
        raise typer.Exit(ExitCode.CONFIG)


@contextmanager
def _silence(*, unless: bool) -> Iterator[None]:
    """Keep back what the clients log: the findings say it."""
    logging.disable(logging.NOTSET if unless else logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _asked(name: str, settings: "Settings", ask: "Callable[[Settings, float], str]") -> Finding:
    from cli.errors import ServerFaultError
    from runtime.redaction import hide_text, secret_values

    try:
        return Finding(name, True, ask(settings, _SECONDS))
    except ServerFaultError as fault:
        return Finding(name, False, hide_text(str(fault), secret_values(settings)), fault.fix)


def _connectors(session: Session, settings: "Settings") -> Finding:
    from cli.connectors import unknown_skips
    from connectors.errors import ConnectorError

    fix = "`ingest connectors check` names file, line and cause"
    try:
        registry = session.registry(settings)
        registry.check_settings(settings.sources)
    except ConnectorError as exc:
        return Finding("connectors", False, str(exc), fix)
    if unknown := unknown_skips(registry, settings):
        return Finding("connectors", False, "; ".join(unknown), "`ingest config check` says it again")
    skipped = [source for source in settings.connectors.skip if source in registry.sources]
    waiting = [source for source in registry.unconfigured(settings.sources) if source not in skipped]
    ready = [source for source in registry.sources if source not in {*waiting, *skipped}]
    states = {"ready": ready or ["none"], "not configured": waiting, "skipped": skipped}
    detail = "; ".join(f"{state}: {', '.join(found)}" for state, found in states.items() if found)
    if registry.quarantined:
        return Finding("connectors", False, f"{detail}; {len(registry.quarantined)} set aside", fix)
    return Finding("connectors", True, detail)
