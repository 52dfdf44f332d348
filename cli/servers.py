"""Asks broker, registry and ClickHouse one question each, for `ingest doctor`; says in words what is wrong.

The clients' own errors name what their authors know of: connection pools, pages about HTTP. Here they become
what a person can act on.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import clickhouse_connect
import httpx
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from cli.errors import ServerFaultError
from runtime.addresses import ClickHouseAddress
from runtime.kafka import client_properties
from runtime.settings import Settings

# ClickHouse's codes: UNKNOWN_DATABASE, and those of a user, a password or a right that is wrong.
_NO_DATABASE = 81
_REFUSED = frozenset({192, 193, 194, 195, 291, 497, 516})
_LONGEST = 200


def ask_broker(settings: Settings, seconds: float) -> str:
    """Count brokers and topics."""
    servers = settings.kafka.bootstrap_servers
    fix = (
        f"is a broker at {servers}, and does it advertise an address that this machine can reach? "
        "INGEST_KAFKA__BOOTSTRAP_SERVERS names it, INGEST_KAFKA__PROPERTIES its security"
    )
    try:
        metadata = AdminClient(client_properties(settings.kafka)).list_topics(timeout=seconds)
    except KafkaException as exc:
        raise ServerFaultError(f"{servers} did not say what it has: {exc.args[0].str()}", fix) from exc
    except Exception as exc:  # whatever a client raises is the finding
        raise ServerFaultError(_one_line(exc), fix) from exc
    return f"{servers}: {len(metadata.brokers)} brokers, {len(metadata.topics)} topics"


def ask_registry(settings: Settings, seconds: float) -> str:
    """Count the subjects."""
    url, user = settings.registry.url, settings.registry.basic_auth
    fix = f"is a Confluent-compatible registry at {url}? INGEST_REGISTRY__URL names it"
    with _answering(url, seconds, fix):
        trust = ssl.create_default_context(cafile=settings.registry.ca_file)
        answer = httpx.get(f"{url}/subjects", auth=user, timeout=seconds, verify=trust)
    status = f"{answer.status_code} {answer.reason_phrase}".rstrip()
    if answer.status_code in (401, 403):
        fix = "give a user that may read: INGEST_REGISTRY__USERNAME and INGEST_REGISTRY__PASSWORD"
        raise ServerFaultError(f"{url} refuses us (status {status})", fix)
    if answer.status_code >= 500:
        raise ServerFaultError(f"{url} is there and not well (status {status})", "look at the registry's log")
    subjects = _list_of(answer)
    if subjects is None:
        raise ServerFaultError(
            f"{url} answers, but not as a schema registry (status {status} for /subjects)",
            "INGEST_REGISTRY__URL is the address with the path, such as http://localhost:8081, or "
            "http://localhost:8081/apis/ccompat/v7 for the registry of docker-compose.yml",
        )
    return f"{url}: {len(subjects)} subjects"


def _list_of(answer: httpx.Response) -> list[Any] | None:
    try:
        found = answer.json() if answer.is_success else None
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def ask_clickhouse(settings: Settings, seconds: float) -> str:
    """Ask for the version."""
    address, arguments = settings.clickhouse.address, settings.clickhouse.client_arguments()
    fix = (
        f"does ClickHouse's HTTP interface answer at {address}, and may user {address.username} use it? "
        "INGEST_CLICKHOUSE__URL names them"
    )
    try:
        with clickhouse_connect.get_client(
            **arguments, connect_timeout=seconds, send_receive_timeout=seconds
        ) as client:
            return f"{address}: version {client.command('SELECT version()')}, user {address.username}"
    except ClickHouseError as exc:
        if exc.__cause__ is not None:  # of the transport
            raise ServerFaultError(f"{address} does not answer: {_reason(exc, seconds)}", fix) from exc
        raise _answered(exc, address, fix) from exc
    except Exception as exc:  # whatever a client raises is the finding
        raise ServerFaultError(f"{address}: {_one_line(exc)}", fix) from exc


def _answered(error: ClickHouseError, address: ClickHouseAddress, fix: str) -> ServerFaultError:
    code = getattr(error, "code", None)
    if code == _NO_DATABASE:
        create = f"CREATE DATABASE `{address.database}`"
        return ServerFaultError(
            f"{address} has no database {address.database}",
            f"create it ({create}), or name another one at the end of INGEST_CLICKHOUSE__URL",
        )
    if code in _REFUSED:
        return ServerFaultError(f"{address} refuses user {address.username} (code {code})", fix)
    what = "ClickHouse answers with an error" if code is not None else "what answers is not ClickHouse"
    return ServerFaultError(f"{address}: {what}: {_one_line(error)}", fix)


@contextmanager
def _answering(address: str, seconds: float, fix: str) -> Iterator[None]:
    """What keeps an answer from coming, as a fault."""
    try:
        yield
    except Exception as exc:  # whatever a client raises is the finding
        raise ServerFaultError(f"{address} does not answer: {_reason(exc, seconds)}", fix) from exc


def _reason(error: BaseException, seconds: float) -> str:
    """The reason at the bottom of a client's nested errors: of the system, else of time, else its words."""
    chain = list(_nested(error))
    for each in reversed(chain):
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    if any("Timeout" in type(each).__name__ for each in chain):
        return f"nothing came within {seconds:g} s"
    return _one_line(chain[-1])


def _nested(error: BaseException) -> Iterator[BaseException]:
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        # urllib3 keeps what was wrong as `reason`, and raises from somewhere else.
        reason = getattr(inner, "reason", None)
        inner = reason if isinstance(reason, BaseException) else inner.__cause__ or inner.__context__


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
