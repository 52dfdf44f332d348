"""One pass over one source in this process: what `ingest run` does."""

from pydantic import JsonValue

from connectors.registry import ConnectorRegistry
from producer.assembly import assembled
from producer.engine import Requeued
from producer.run import RunReport
from runtime.exit_codes import DEAD_LETTERS, OK, ExitCode
from runtime.settings import Settings
from schemas.names import Names
from schemas.records import JobPayload


def run_once(
    settings: Settings, source: str, since: JsonValue = None, *, connectors: ConnectorRegistry | None = None
) -> RunReport:
    """Run `source` to its end; `since` None takes the stored cursor.

    Waits for nothing that is away at the start: raises BrokerAwayError or RegistryUnavailableError (exit code
    4), StopSourceError, ContractError (3), IncompatibleSchemaError (5), SourceError or PublishFailedError
    (1). A broker lost in mid-run is waited for.
    """
    found = connectors or ConnectorRegistry.discover(settings.connectors.paths)
    found.get(source)
    with assembled(settings, found) as parts:
        parts.topics.ensure_cursors(Names(settings.topic_prefix).cursors)
        outcome = parts.engine.run(JobPayload(source=source, since=since, reason="ingest run"))
    # The limiter of a fresh process has counted nothing yet, and every limit allows at least one run.
    assert not isinstance(outcome, Requeued)
    return outcome


def exit_code(report: RunReport) -> ExitCode:
    """What `ingest run` ends with: rejected records are no error, but visible."""
    return DEAD_LETTERS if report.rejected else OK
