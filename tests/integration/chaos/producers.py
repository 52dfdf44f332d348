"""Three producers that share sources: who owns what, how long a take-over takes, which jobs were written."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from confluent_kafka import Producer

from producer.partitioning import partition_of
from runtime.kafka import client_properties
from runtime.settings import Settings
from schemas.names import Names
from schemas.records import JobPayload
from tests.daemon_process import DaemonProcess, until
from tests.integration.producer.conftest import SKIP
from tests.integration.producer.support import events

SESSION = 6.0
# What a take-over may take, and what a machine that others use may add.
ALLOWED, GRACE = SESSION + 5.0, 15.0


class Producers:
    """`daemons` share `sources`; a dead one is started again by `all_share`. Ends them with its own end."""

    def __init__(
        self, folder: Path, connectors: Path, sources: Sequence[str], env: Mapping[str, str]
    ) -> None:
        own = {
            **env,
            "INGEST_CONNECTORS__PATHS": str(connectors),
            "INGEST_CONNECTORS__SKIP": SKIP,
            "INGEST_PRODUCER__SESSION_SECONDS": str(SESSION),
            # A source that waits for its limit keeps its place; one producer may come to have all of them.
            "INGEST_PRODUCER__WORKERS": str(len(sources)),
        }
        self.sources = sources
        folders = [folder / name for name in ("one", "two", "three")]
        for each in folders:
            each.mkdir()
        self.daemons = [DaemonProcess("producer", each, own) for each in folders]

    def all_share(self) -> None:
        """Start who does not run; return when each source is owned once, and everybody has some."""
        for daemon in self.daemons:
            daemon.start()
        until(self._shared, "sources in all three producers")

    def _shared(self) -> bool:
        owned = [self.owned(daemon) for daemon in self.daemons]
        return all(owned) and sorted(one for each in owned for one in each) == sorted(self.sources)

    def owned(self, daemon: DaemonProcess) -> set[str]:
        _, page = daemon.probe("/readyz?verbose")
        lines = [line.strip().partition(": ") for line in page.splitlines()]
        return {
            name
            for name, _, state in lines
            if name in self.sources and not state.startswith(("not run by", "not scheduled"))
        }

    def owner(self, source: str, among: Sequence[DaemonProcess]) -> DaemonProcess:
        def owners() -> list[DaemonProcess]:
            return [daemon for daemon in among if source in self.owned(daemon)]

        return until(owners, f"an owner of {source}")[0]

    def taken_over(self, sources: set[str], at: datetime, by: Sequence[DaemonProcess]) -> float:
        """Wait until the clocks of all `sources` are kept by others; seconds since `at` that it took."""

        def scheduled() -> dict[str, datetime]:
            lines = [line for daemon in by for line in events(daemon, "source_scheduled")]
            found = [(line["source"], datetime.fromisoformat(line["timestamp"])) for line in reversed(lines)]
            return {source: when for source, when in found if when > at and source in sources}

        until(lambda: scheduled().keys() == sources, "the take-over", seconds=ALLOWED + GRACE)
        return max((when - at).total_seconds() for when in scheduled().values())

    def kill(self) -> None:
        for daemon in self.daemons:
            daemon.process.kill()


@contextmanager
def suspended(daemon: DaemonProcess) -> Iterator[datetime]:
    assert daemon.process.pid is not None
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        yield datetime.now(UTC)
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)


class Jobs:
    """Writes jobs for sources and remembers their ids."""

    def __init__(self, settings: Settings, keys: Mapping[str, str]) -> None:
        """`keys` say what the jobs of a source are placed by."""
        self.ids: list[str] = []
        self._topic = Names(settings.topic_prefix).jobs
        self._partitions = settings.producer.job_partitions
        self._keys = keys
        self._producer = Producer(client_properties(settings.kafka))

    def write(self, *, wait: float = 0.0) -> None:
        """One for each source, to be run in `wait` seconds."""
        due = datetime.now(UTC) + timedelta(seconds=wait)
        for source, key in self._keys.items():
            job = JobPayload(source=source, job_id=f"job-{len(self.ids)}", not_before=due, reason="asked for")
            self.ids.append(job.job_id)
            partition = partition_of(key.encode(), self._partitions)
            self._producer.produce(self._topic, job.model_dump_json(), job.job_id, partition=partition)
        assert self._producer.flush(10) == 0
