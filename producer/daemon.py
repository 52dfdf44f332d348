"""The producer daemon: starts with what is there, waits for what is not, drains when asked to stop.

A broker or registry that is away makes it wait and say so; a broken connector or an outage upstream concerns
that source alone.
"""

import logging
import os
import threading
from collections.abc import Callable, Mapping

import structlog

from connectors.base import upstream_name
from connectors.errors import ConnectorError
from connectors.registry import ConnectorRegistry
from producer.assembly import Parts, assembled
from producer.custody import Custody
from producer.errors import ProducerError
from producer.fleet import Fleet, lease_seconds
from producer.jobs import JobsTopic
from producer.lease import TimedLease
from producer.metrics import QUARANTINED, STATE
from producer.overview import Overview
from producer.ownership import GroupOwnership
from producer.scheduler import Scheduler
from producer.startup import Startup
from producer.states import State, Status
from producer.states_topic import StatesTopic
from producer.ticks import Ticks
from producer.workers import Workers
from runtime.errors import SettingsError, StartError
from runtime.exit_codes import CONFIG, ERROR, OK, UNREACHABLE, ExitCode
from runtime.health import Details, HealthServer
from runtime.kafka import check_properties, client_properties
from runtime.logging import configure_logging
from runtime.redaction import hide_text, secret_values
from runtime.settings import Settings
from runtime.stopping import Deadline, Stopping
from schemas.errors import RegistryRefusedError
from schemas.names import Names

# How much of the drain time is kept to give up on a broker that does not answer, and to close.
_LAST_SECONDS = 3.0
_THREADS = ("run-", "extract-", "own-", "fleet")
_log = structlog.get_logger(__name__)


def main(settings: Settings, *, exit_now: Callable[[int], object] = os._exit) -> int:
    """Run the daemon until SIGTERM or SIGINT; returns its exit code.

    0 after a drain, 3 if settings or the connectors as a whole cannot be worked with, 4 if the health port is
    taken, 1 if the broker refuses what the daemon cannot do without.
    """
    configure_logging(settings.log, daemon=True, secrets=secret_values(settings))
    try:
        check_properties(settings.kafka)
        connectors = _discover(settings)
        with Stopping() as stopping:
            _serve(settings, connectors, stopping)
    except (ConnectorError, StartError, ProducerError, RegistryRefusedError) as error:
        _log.error("start_refused", error=str(error))
        return _refusal(error)
    left_behind = [thread.name for thread in threading.enumerate() if thread.name.startswith(_THREADS)]
    _log.info("stopped", reason=stopping.reason, left_behind=left_behind)
    if left_behind:
        # They are inside a connector or librdkafka; Python's own end would pull the ground from under them.
        logging.shutdown()
        exit_now(OK)
    return OK


def _discover(settings: Settings) -> ConnectorRegistry:
    connectors = ConnectorRegistry.discover(settings.connectors.paths)
    connectors.check_settings(settings.sources)
    for quarantined in connectors.quarantined:
        _log.error(
            "connector_quarantined", origin=quarantined.origin, line=quarantined.line, cause=quarantined.cause
        )
    QUARANTINED.set(len(connectors.quarantined))
    return connectors


def _serve(settings: Settings, connectors: ConnectorRegistry, stopping: Stopping) -> None:
    """Run until `stopping`, then drain."""
    names, abandon = Names(settings.topic_prefix), threading.Event()
    membership = TimedLease(f"the place in group {settings.producer.group}", lease_seconds(settings))
    ownership = GroupOwnership(membership, abandon)
    with assembled(settings, connectors, ownership=ownership, abandon=abandon) as parts:
        jobs = _jobs(settings, connectors, names, parts)
        states = _states(settings, names, jobs)
        scheduler = Scheduler(on_status=_telling(states), journal=jobs)
        # While nobody knows whose the sources are, none is said to run: another producer may tell of them.
        workers = Workers(
            scheduler,
            parts.engine,
            workers=settings.producer.workers,
            ready=lambda: membership.valid,
        )
        startup = Startup(parts, names, settings, stopping)
        checks = {"broker": parts.topics.reachable, "start": startup.waits_for}
        alive = {"scheduler": workers.alive}
        details = _details(settings, connectors, scheduler, parts)
        with HealthServer(settings.http, checks, alive=alive, details=details) as health:
            _log.info("daemon_started", health=health.address, sources=list(connectors.sources))
            if startup.wait():
                ticks, refused = _clocks(scheduler, connectors, settings)
                custody = Custody(
                    ticks, refused, scheduler, parts.engine, parts.limiter, ownership, jobs, abandon
                )
                fleet = Fleet(settings, names.jobs, custody, membership)
                with fleet:
                    workers.serve(stopping)
                    health.drain()
                    deadline = Deadline(settings.producer.drain_seconds)
                    _drain(parts, workers, deadline)
                    jobs.flush(deadline.remaining())
                    states.flush(deadline.remaining())
                    fleet.close(deadline.remaining())
            health.drain()


def _jobs(settings: Settings, connectors: ConnectorRegistry, names: Names, parts: Parts) -> JobsTopic:
    job_keys = {name: upstream_name(plugin.cls) for name, plugin in connectors.sources.items()}
    properties = client_properties(settings.kafka)
    secrets = secret_values(settings)
    return JobsTopic(
        properties,
        names.jobs,
        job_keys,
        lambda: parts.topics.partitions(names.jobs),
        hide=lambda text: hide_text(text, secrets),
    )


def _details(
    settings: Settings, connectors: ConnectorRegistry, scheduler: Scheduler, parts: Parts
) -> Mapping[str, Details]:
    overview = Overview(
        connectors,
        scheduler,
        skipped=settings.connectors.skip,
        silent_for=parts.engine.silent_for,
        secrets=secret_values(settings),
    )
    return {"sources": overview.sources, "quarantined": overview.quarantined}


def _states(settings: Settings, names: Names, jobs: JobsTopic) -> StatesTopic:
    secrets = secret_values(settings)
    return StatesTopic(
        client_properties(settings.kafka), names.states, jobs.partition, lambda text: hide_text(text, secrets)
    )


def _clocks(
    scheduler: Scheduler, connectors: ConnectorRegistry, settings: Settings
) -> tuple[Mapping[str, Ticks], Mapping[str, str]]:
    """The clocks of all sources that may run, here or in another producer, and why others may not."""
    ticks: dict[str, Ticks] = {}
    for unknown in set(settings.connectors.skip) - connectors.sources.keys():
        _log.warning("skipped_source_unknown", source=unknown, setting="INGEST_CONNECTORS__SKIP")
    wanted = {name: one for name, one in connectors.sources.items() if name not in settings.connectors.skip}
    for name in connectors.sources.keys() - wanted.keys():
        _log.info("source_skipped", source=name, setting="INGEST_CONNECTORS__SKIP")
    unconfigured = connectors.unconfigured(settings.sources)
    refused = {name: str(unconfigured[name]) for name in wanted if name in unconfigured}
    for name, needs in refused.items():
        _log.warning("source_not_configured", source=name, needs=needs)
    for name, plugin in wanted.items():
        scheduler.unassigned(name, "the group has not given it to this one")
        if name not in refused:
            ticks[name] = Ticks.of(name, plugin.cls)
    return ticks, refused


def _drain(parts: Parts, workers: Workers, deadline: Deadline) -> None:
    """End the runs: generators at their next item, records acknowledged, cursors moved."""
    _log.info("draining", seconds=deadline.seconds)
    parts.engine.stop()
    if not workers.join(Deadline(max(0.0, deadline.seconds - _LAST_SECONDS))):
        parts.abandon.set()
        workers.join(deadline)


def _telling(states: StatesTopic) -> Callable[[str, Status], None]:
    def tell(source: str, status: Status) -> None:
        # All 0 where another producer runs it.
        for state in set(State) - {State.UNASSIGNED}:
            STATE.labels(source, state).set(state is status.state)
        states.tell(source, status)
        if status.state is State.FAILED:
            step = f"ingest connectors restart {source}"
            _log.error("source_failed", source=source, reason=status.reason, next_step=step)

    return tell


def _refusal(error: Exception) -> ExitCode:
    if isinstance(error, ConnectorError | SettingsError | RegistryRefusedError):
        return CONFIG
    return UNREACHABLE if isinstance(error, StartError) else ERROR
