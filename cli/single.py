"""One pass of one source for `ingest run`: checks first what can be, tells a failure with its place."""

import sys

from prometheus_client import REGISTRY

from cli.blame import blame
from cli.errors import RunFailedError, RunPutOffError
from cli.session import Session
from cli.waits import telling_waits
from connectors.base import BaseConnector
from connectors.bounds import parse_bounds
from connectors.configuration import build_settings, variable
from connectors.errors import UpstreamError
from producer.errors import RunLimitedError, SourceError
from producer.once import run_once
from producer.run import RunReport
from runtime.kafka import check_properties

# What the producer counts, by the names that operators know.
_COUNTS = {
    "ingest_records_extracted_total": "extracted",
    "ingest_records_published_total": "published",
    "ingest_records_deduplicated_total": "deduplicated",
    "ingest_records_rejected_total": "rejected",
}
_WORDS = {"deduplicated": "there already"}


def run_single(
    session: Session, source: str, since: str | None, until: str | None = None
) -> tuple[RunReport, bool]:
    """Run `source` once; with `until` it is a backfill. Says besides whether the source has a cursor.

    RunFailedError if its connector failed, RunPutOffError at a limit; else what `run_once` raises.
    """
    settings = session.settings()
    check_properties(settings.kafka)
    connectors = session.registry(settings)
    cls = connectors.get(source).cls
    for name, said in connectors.unknown(settings.sources).items():
        # It may be meant for a source of another folder.
        session.say(f"{variable(name)} is not used: {said}")
    # Before any server is asked.
    build_settings(source, cls.Settings, settings.sources.get(source, {}))
    parse_bounds(cls, since, until)
    before = _counted(source)
    try:
        with telling_waits(lambda text: session.say(session.hide(text)), terminal=sys.stderr.isatty()):
            report = run_once(settings, source, since, until, connectors=connectors)
    except SourceError as exc:
        raise _failed(source, cls, exc, _counted_since(before, source), _goes_on(until)) from exc
    except RunLimitedError as exc:
        raise _put_off(source, exc, _counted_since(before, source), until) from exc
    return report, cls.has_cursor()


def _failed(
    source: str, cls: type[BaseConnector], error: SourceError, counts: dict[str, int], goes_on: str
) -> RunFailedError:
    cause = error.__cause__ or error
    found = blame(cause, cls)
    look = f"`ingest connectors try {source}` runs the connector and publishes nothing"
    return RunFailedError(
        f"source {source}, after {counts['extracted']:,} items: {found.words}\n{found.place}\n"
        f"{_done(counts)}; what was published stays, {goes_on}",
        step=f"try again later; {look}" if isinstance(cause, UpstreamError) else look,
        details={"source": source, "file": found.file, "line": found.line, **counts},
    )


def _put_off(
    source: str, error: RunLimitedError, counts: dict[str, int], until: str | None
) -> RunPutOffError:
    done = f"{_done(counts)}; what was published stays" if any(counts.values()) else "nothing was extracted"
    # No daemon knows of a backfill that was asked for here.
    step = (
        "run it again at that time, or leave it to the daemon"
        if until is None
        else f"at that time, {_goes_on(until)}"
    )
    return RunPutOffError(f"{error}\n{done}", step=step, details={"source": source, **counts})


def _done(counts: dict[str, int]) -> str:
    told = {name: count for name, count in counts.items() if count or name != "deduplicated"}
    return ", ".join(f"{count:,} {_WORDS.get(name, name)}" for name, count in told.items())


def _goes_on(until: str | None) -> str:
    if until is None:
        return "the next run begins at the stored cursor"
    return "the same command goes on with the slice that was not finished"


def _counted_since(before: dict[str, int], source: str) -> dict[str, int]:
    return {name: count - before[name] for name, count in _counted(source).items()}


def _counted(source: str) -> dict[str, int]:
    """What this process has counted of a source so far."""
    found = dict.fromkeys(_COUNTS.values(), 0)
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.name in _COUNTS and sample.labels.get("source") == source:
                found[_COUNTS[sample.name]] += int(sample.value)
    return found
