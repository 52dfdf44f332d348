"""One pass over one source in this process: what `ingest run` does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import JsonValue

from connectors.base import BaseConnector
from connectors.registry import ConnectorRegistry
from producer.assembly import Parts, assembled
from producer.backfill import backfill_id
from producer.control import Control
from producer.engine import Requeued
from producer.errors import RunLimitedError, SourcePausedError
from producer.run import RunReport
from runtime.exit_codes import DEAD_LETTERS, INTERRUPTED, OK, ExitCode
from runtime.settings import Settings
from runtime.stopping import Stopping
from schemas.names import Names
from schemas.records import JobPayload


def run_once(
    settings: Settings,
    source: str,
    since: JsonValue = None,
    until: JsonValue = None,
    *,
    connectors: ConnectorRegistry | None = None,
) -> RunReport:
    """Run `source` to its end; `since` None takes the stored cursor. With `until` it is a backfill, which
    goes on where one of the same bounds was cut short.

    SIGTERM or Ctrl-C ends the run at its next item, with what was extracted acknowledged (`completed` is then
    False). Waits for nothing that is away at the start: raises BrokerAwayError or RegistryUnavailableError;
    StopSourceError, ContractError, IncompatibleSchemaError, SourceError or PublishFailedError for what is
    wrong with the source, SourcePausedError while it is paused, RunLimitedError when a rate limit lets it run
    later only. A broker lost in mid-run is waited for.
    """
    found = connectors or ConnectorRegistry.discover(settings.connectors.paths)
    job = _job(found.get(source).cls, source, since, until)
    with assembled(settings, found) as parts, _stoppable(parts, settings.producer.drain_seconds):
        parts.topics.ensure_state(Names(settings.topic_prefix))
        _check_not_paused(settings, found, source)
        try:
            outcome = parts.engine.run(job)
        finally:
            if not parts.abandon.is_set():
                parts.limiter.release(source)
    if isinstance(outcome, Requeued):
        raise RunLimitedError(f"{source}: {outcome.reason}")
    return outcome


def _check_not_paused(settings: Settings, connectors: ConnectorRegistry, source: str) -> None:
    pause = Control(settings, connectors).pause_of(source)
    if pause is not None:
        since = pause.at.isoformat(timespec="seconds")
        raise SourcePausedError(
            f"{source} was paused by {pause.by} at {since}; a run here would be one all the same",
            step=f"ingest connectors resume {source}",
        )


def _job(connector: type[BaseConnector], source: str, since: JsonValue, until: JsonValue) -> JobPayload:
    job = JobPayload(source=source, since=since, until=until, reason="ingest run")
    # Each call is a new job, but for a backfill, which is known again by its bounds.
    known = {} if until is None else {"job_id": backfill_id(connector, since, until)}
    return job.model_copy(update=known)


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
