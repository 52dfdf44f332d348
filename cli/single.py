"""One pass of one source for `ingest run`: checks first what can be, tells a failure with its place."""

import sys

from prometheus_client import REGISTRY

from cli.blame import blame
from cli.errors import RunFailedError
from cli.session import Session
from cli.waits import telling_waits
from connectors.base import BaseConnector
from connectors.bounds import parse_bounds
from connectors.configuration import build_settings
from connectors.errors import UpstreamError
from producer.errors import RunLimitedError, SourceError
from producer.once import run_once
from producer.run import RunReport
from runtime.kafka import check_properties

# What the producer counts, by the names that operators know.
_COUNTS = {
    "ingest_records_extracted_total": "extracted",
    "ingest_records_published_total": "published",
    "ingest_records_rejected_total": "rejected",
}


def run_single(session: Session, source: str, since: str | None, until: str | None = None) -> RunReport:
    """Run `source` once. RunFailedError if its connector failed; else what `run_once` raises.

    With `until` it is a backfill, and RunFailedError is raised for a limit, too.
    """
    settings = session.settings()
    check_properties(settings.kafka)
    connectors = session.registry(settings)
    cls = connectors.get(source).cls
    # Before any server is asked.
    build_settings(source, cls.Settings, settings.sources.get(source, {}))
    parse_bounds(cls, since, until)
    before = _counted(source)
    try:
        with telling_waits(lambda text: session.say(session.hide(text)), terminal=sys.stderr.isatty()):
            return run_once(settings, source, since, until, connectors=connectors)
    except SourceError as exc:
        counts = {name: count - before[name] for name, count in _counted(source).items()}
        raise _failed(source, cls, exc, counts, _goes_on(until)) from exc
    except RunLimitedError as exc:
        if until is None:
            raise
        # No daemon knows of this backfill.
        raise RunFailedError(
            str(exc), step=f"at that time, {_goes_on(until)}", details={"source": source}
        ) from exc


def _failed(
    source: str, cls: type[BaseConnector], error: SourceError, counts: dict[str, int], goes_on: str
) -> RunFailedError:
    cause = error.__cause__ or error
    found = blame(cause, cls)
    done = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    look = f"`ingest connectors try {source}` runs the connector and publishes nothing"
    return RunFailedError(
        f"source {source}, after {counts['extracted']:,} items: {found.words}\n{found.place}\n"
        f"{done}; what was published stays, {goes_on}",
        step=f"try again later; {look}" if isinstance(cause, UpstreamError) else look,
        details={"source": source, "file": found.file, "line": found.line, **counts},
    )


def _goes_on(until: str | None) -> str:
    if until is None:
        return "the next run begins at the stored cursor"
    return "the same command goes on with the slice that was not finished"


def _counted(source: str) -> dict[str, int]:
    """What this process has counted of a source so far."""
    found = dict.fromkeys(_COUNTS.values(), 0)
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.name in _COUNTS and sample.labels.get("source") == source:
                found[_COUNTS[sample.name]] += int(sample.value)
    return found
