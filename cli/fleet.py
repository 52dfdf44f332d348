"""What the producers say of the sources, for `ingest connectors list`: asked of Kafka, if it is there."""

import socket
from typing import TYPE_CHECKING, Any

from producer.control import Control, Told
from producer.errors import BrokerAwayError

if TYPE_CHECKING:
    from cli.session import Session
    from connectors.registry import ConnectorRegistry
    from runtime.settings import Settings

_KNOCK_SECONDS = 1.0


def fleet_states(session: "Session", settings: "Settings", registry: "ConnectorRegistry") -> dict[str, Told]:
    """What is known of all sources; nothing, and a word why, while the broker is away."""
    if not _answers(settings.kafka.bootstrap_servers):
        session.say(f"no broker answers at {settings.kafka.bootstrap_servers}: what runs is not known")
        return {}
    try:
        return Control(settings, registry).sources()
    except BrokerAwayError as exc:
        session.say(f"what runs is not known: {exc}")
        return {}


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


def _answers(servers: str) -> bool:
    """A knock at each door: librdkafka would go on trying for long."""
    for server in servers.split(","):
        host, _, port = server.strip().rpartition("://")[2].rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS):
                return True
        except (OSError, ValueError):
            continue
    return False
