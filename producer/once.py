"""One pass over one source in this process: what `ingest run` does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import JsonValue

from connectors.registry import ConnectorRegistry
from producer.assembly import Parts, assembled
from producer.engine import Requeued
from producer.errors import RunLimitedError
from producer.run import RunReport
from runtime.exit_codes import DEAD_LETTERS, INTERRUPTED, OK, ExitCode
from runtime.settings import Settings
from runtime.stopping import Stopping
from schemas.names import Names
from schemas.records import JobPayload


def run_once(
    settings: Settings, source: str, since: JsonValue = None, *, connectors: ConnectorRegistry | None = None
) -> RunReport:
    """Run `source` to its end; `since` None takes the stored cursor.

    SIGTERM or Ctrl-C ends the run at its next item, with what was extracted acknowledged (`completed` is then
    False). Waits for nothing that is away at the start: raises BrokerAwayError or RegistryUnavailableError;
    StopSourceError, ContractError, IncompatibleSchemaError, SourceError or PublishFailedError for what is
    wrong with the source, RunLimitedError when a rate limit lets it run later only. A broker lost in mid-run
    is waited for.
    """
    found = connectors or ConnectorRegistry.discover(settings.connectors.paths)
    found.get(source)
    with assembled(settings, found) as parts, _stoppable(parts, settings.producer.drain_seconds):
        parts.topics.ensure_state(Names(settings.topic_prefix))
        outcome = parts.engine.run(JobPayload(source=source, since=since, reason="ingest run"))
    if isinstance(outcome, Requeued):
        raise RunLimitedError(f"{source}: {outcome.reason}. What was extracted before is published.")
    return outcome


def exit_code(report: RunReport) -> ExitCode:
    """What `ingest run` ends with: rejected records are no error, but visible."""
    if not report.completed:
        return INTERRUPTED
    return DEAD_LETTERS if report.rejected else OK


@contextmanager
def _stoppable(parts: Parts, drain_seconds: float) -> Iterator[None]:
    """Let signals stop the run, and after the drain time its wait for the broker too."""
    over = threading.Event()

    def watch(stopping: Stopping) -> None:
        stopping.wait()
        if not over.is_set():
            parts.engine.stop()
            if not over.wait(drain_seconds):
                parts.abandon.set()

    with Stopping() as stopping:
        watcher = threading.Thread(target=watch, args=(stopping,), name="stop-run", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            stopping.stop("the run is over")
            watcher.join()
