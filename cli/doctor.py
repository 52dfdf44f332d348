"""`ingest doctor`: does each thing that the daemons depend on answer, and what to do when it does not."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask broker, registry and ClickHouse, and look at the connectors. Exit code 4: no answer."""
    from cli.output import print_json
    from runtime.exit_codes import ExitCode

    session = current(context)
    settings = session.settings()
    with _silence(unless=session.debug):
        servers = [_broker(settings), _registry(settings), _clickhouse(settings)]
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


def _asked(name: str, settings: "Settings", fix: str, ask: Callable[[], str]) -> Finding:
    from runtime.redaction import hide_text, secret_values

    try:
        return Finding(name, True, ask())
    except Exception as exc:  # whatever a client raises is the finding
        return Finding(name, False, hide_text(_said(exc), secret_values(settings)), fix)


def _said(exc: Exception) -> str:
    """One line; of a KafkaException only the sentence."""
    cause = exc.args[0] if exc.args else ""
    text = cause.str() if hasattr(cause, "str") else str(exc)
    return " ".join(text.split()) or type(exc).__name__


def _broker(settings: "Settings") -> Finding:
    from confluent_kafka.admin import AdminClient

    from runtime.kafka import client_properties

    servers = settings.kafka.bootstrap_servers

    def ask() -> str:
        metadata = AdminClient(client_properties(settings.kafka)).list_topics(timeout=_SECONDS)
        return f"{servers}: {len(metadata.brokers)} brokers, {len(metadata.topics)} topics"

    fix = (
        f"is a broker at {servers}, and does it advertise an address that this machine can reach? "
        "INGEST_KAFKA__BOOTSTRAP_SERVERS names it, INGEST_KAFKA__PROPERTIES its security"
    )
    return _asked("broker", settings, fix, ask)


def _registry(settings: "Settings") -> Finding:
    import ssl

    import httpx

    url = settings.registry.url

    def ask() -> str:
        trust = ssl.create_default_context(cafile=settings.registry.ca_file)
        user = settings.registry.basic_auth
        answer = httpx.get(f"{url}/subjects", auth=user, timeout=_SECONDS, verify=trust)
        answer.raise_for_status()
        return f"{url}: {len(answer.json())} subjects"

    fix = f"is a Confluent-compatible registry at {url}? INGEST_REGISTRY__URL names it"
    return _asked("registry", settings, fix, ask)


def _clickhouse(settings: "Settings") -> Finding:
    import clickhouse_connect

    address = settings.clickhouse.address

    def ask() -> str:
        arguments = settings.clickhouse.client_arguments()
        client = clickhouse_connect.get_client(
            **arguments, connect_timeout=_SECONDS, send_receive_timeout=_SECONDS
        )
        with client:
            return f"{address}: version {client.command('SELECT version()')}, user {address.username}"

    fix = (
        f"does ClickHouse's HTTP interface answer at {address}, and may user {address.username} use it? "
        "INGEST_CLICKHOUSE__URL names them"
    )
    return _asked("clickhouse", settings, fix, ask)


def _connectors(session: Session, settings: "Settings") -> Finding:
    from connectors.errors import ConnectorError

    fix = "`ingest connectors check` names file, line and cause"
    try:
        registry = session.registry(settings)
        registry.check_settings(settings.sources)
    except ConnectorError as exc:
        return Finding("connectors", False, str(exc), fix)
    skipped = [source for source in settings.connectors.skip if source in registry.sources]
    waiting = [source for source in registry.unconfigured(settings.sources) if source not in skipped]
    ready = [source for source in registry.sources if source not in {*waiting, *skipped}]
    states = {"ready": ready or ["none"], "not configured": waiting, "skipped": skipped}
    detail = "; ".join(f"{state}: {', '.join(found)}" for state, found in states.items() if found)
    if registry.quarantined:
        return Finding("connectors", False, f"{detail}; {len(registry.quarantined)} set aside", fix)
    return Finding("connectors", True, detail)
