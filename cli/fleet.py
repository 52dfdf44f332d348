"""What the producers say of the sources, for `ingest connectors list`: asked of Kafka, if it is there."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from producer.control import Control, Told
from producer.errors import BrokerAwayError
from runtime.kafka import check_properties

if TYPE_CHECKING:
    from cli.session import Session
    from connectors.registry import ConnectorRegistry
    from runtime.settings import Settings

_KNOCK_SECONDS = 1.0
# Whoever changes something waits longer for an answer than who only looks.
_PATIENT_SECONDS = 5.0


@dataclass(frozen=True)
class Asked:
    """What is known of all sources, or `why_not`."""

    told: Mapping[str, Told] = field(default_factory=dict)
    why_not: str | None = None


def fleet_states(settings: "Settings", registry: "ConnectorRegistry") -> Asked:
    """What the producers have told, if the broker is there to be asked."""
    try:
        _check_answers(settings, _KNOCK_SECONDS)
        return Asked(Control(settings, registry).sources())
    except BrokerAwayError as exc:
        return Asked(why_not=str(exc))


def reached(session: "Session") -> tuple["Settings", "ConnectorRegistry"]:
    """Settings and connectors of a command that changes or shows what is in Kafka.

    BrokerAwayError at once if nothing listens there: a client would go on trying without a word.
    """
    settings = session.settings(terse=True)
    check_properties(settings.kafka)
    _check_answers(settings, _PATIENT_SECONDS)
    return settings, session.registry(settings)


def facts_of(told: Told) -> dict[str, Any]:
    """A source as JSON tells it."""
    last, present = told.told, told.present
    return {
        "source": told.source,
        "state": str(told.state),
        "detail": told.detail,
        "since": last.since if last else None,
        "next_due": present.next_due if present else None,
        "last_success": last.last_success if last else None,
        "last_error": last.last_error.model_dump() if last and last.last_error else None,
        "owner": present.owner if present else None,
        "paused_by": told.pause.by if told.pause else None,
        "waiting_jobs": [job.model_dump(mode="json", exclude_none=True) for job in told.jobs],
    }


def _check_answers(settings: "Settings", seconds: float) -> None:
    servers = settings.kafka.bootstrap_servers
    if not _answers(servers, seconds):
        raise BrokerAwayError(f"no broker answers at {servers}")


def _answers(servers: str, seconds: float) -> bool:
    """A knock at each door: librdkafka would go on trying for long."""
    for server in servers.split(","):
        host, _, port = server.strip().rpartition("://")[2].rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=seconds):
                return True
        except (OSError, ValueError):
            continue
    return False
