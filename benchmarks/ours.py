"""The same work as in `peers`, done by the code that the daemons run."""

from pathlib import Path
from typing import Any

from producer.once import run_once
from runtime.settings import load_settings

SOURCES = Path(__file__).parent / "sources"


def producer(prefix: str, count: str) -> dict[str, Any]:
    """One run of the source `readings`: generator of dicts, validation, envelope, encoding, acknowledgement.

    The addresses are taken from the environment, the topic is `<prefix>.readings`.
    """
    settings = load_settings(
        {
            "topic_prefix": prefix,
            "connectors": {"paths": str(SOURCES)},
            "sources": {"readings": {"count": int(count)}},
        }
    )
    report = run_once(settings, "readings")
    if report.published != int(count):
        raise RuntimeError(f"{report.published} of {count} records were acknowledged")
    return {"records": report.published, "seconds": report.seconds}
