"""One pass of one source for `ingest run`: checks first what can be, tells a failure with its place."""

import sys

from prometheus_client import REGISTRY

from cli.blame import blame
from cli.errors import RunFailedError
from cli.session import Session
from cli.waits import telling_waits
from connectors.base import BaseConnector
from connectors.configuration import build_settings
from connectors.errors import UpstreamError
from producer.errors import SourceError
from producer.once import run_once
from producer.run import RunReport
from runtime.kafka import check_properties

# What the producer counts, by the names that operators know.
_COUNTS = {
    "ingest_records_extracted_total": "extracted",
    "ingest_records_published_total": "published",
    "ingest_records_rejected_total": "rejected",
}


def run_single(session: Session, source: str, since: str | None) -> RunReport:
    """Run `source` once. RunFailedError if its connector failed; else what `run_once` raises."""
    settings = session.settings()
    check_properties(settings.kafka)
    connectors = session.registry(settings)
    cls = connectors.get(source).cls
    # Before any server is asked.
    build_settings(source, cls.Settings, settings.sources.get(source, {}))
    cls.parse_since(since)
    before = _counted(source)
    try:
        with telling_waits(lambda text: session.say(session.hide(text)), terminal=sys.stderr.isatty()):
            return run_once(settings, source, since, connectors=connectors)
    except SourceError as exc:
        counts = {name: count - before[name] for name, count in _counted(source).items()}
        raise _failed(source, cls, exc, counts) from exc


def _failed(
    source: str, cls: type[BaseConnector], error: SourceError, counts: dict[str, int]
) -> RunFailedError:
    cause = error.__cause__ or error
    found = blame(cause, cls)
    done = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    look = f"`ingest connectors try {source}` runs the connector and publishes nothing"
    return RunFailedError(
        f"source {source}, after {counts['extracted']:,} items: {found.words}\n{found.place}\n"
        f"{done}; what was published stays, the next run begins at the stored cursor",
        step=f"try again later; {look}" if isinstance(cause, UpstreamError) else look,
        details={"source": source, "file": found.file, "line": found.line, **counts},
    )


def _counted(source: str) -> dict[str, int]:
    """What this process has counted of a source so far."""
    found = dict.fromkeys(_COUNTS.values(), 0)
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.name in _COUNTS and sample.labels.get("source") == source:
                found[_COUNTS[sample.name]] += int(sample.value)
    return found
