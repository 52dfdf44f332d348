"""A broker that is away under load: memory stays bounded, the generator stands still, nothing is dropped."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.kafka_proxy import KafkaProxy
from runtime.settings import Settings
from tests.daemon_process import DaemonProcess, until
from tests.integration.chaos.endless import finding_of
from tests.integration.chaos.report import ROUNDS
from tests.integration.producer.conftest import SKIP
from tests.integration.producer.support import ORDERED, events, records, write_connector

pytestmark = [
    pytest.mark.requires_kafka,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc"),
]

NAME = "readings"
# Ten minutes in `make chaos`.
AWAY_SECONDS = 600.0 if ROUNDS >= 20 else 30.0
MIB = 1024**2
# A checkpoint, what is ready behind it, and both again in librdkafka's queue and its allocator's hands.
MOST_GROWTH = 128 * MIB
# As fast as it is taken: gigabytes in AWAY_SECONDS, were it not held back.
FAST = """
number = 0 if since is None else int((since - NOON).total_seconds()) + 1
while not (HERE / "enough").exists():
    for number in range(number, number + 100):
        yield {"id": number, "at": NOON + timedelta(seconds=number), "text": f"{number:01000}"}
    number += 1
    (HERE / "polled").write_text(str(number))
"""


@pytest.fixture
def proxy(settings: Settings) -> Iterator[KafkaProxy]:
    with KafkaProxy(settings.kafka.bootstrap_servers) as proxy:
        yield proxy


@pytest.fixture
def daemon(
    tmp_path: Path, folder: Path, environment: dict[str, str], proxy: KafkaProxy
) -> Iterator[DaemonProcess]:
    write_connector(folder, NAME, FAST, declared=ORDERED)
    own = {
        **environment,
        "INGEST_KAFKA__BOOTSTRAP_SERVERS": proxy.address,
        "INGEST_CONNECTORS__PATHS": str(folder),
        "INGEST_CONNECTORS__SKIP": SKIP,
    }
    daemon = DaemonProcess("producer", tmp_path, own)
    yield daemon
    daemon.process.kill()


def memory(daemon: DaemonProcess) -> int:
    """Bytes that are resident."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def polled(folder: Path) -> int:
    file = folder / "polled"
    return int((file.read_text() if file.exists() else "") or 0)


def published(daemon: DaemonProcess, topic: str) -> float:
    return daemon.metric(f'ingest_records_published_total{{source="{NAME}",topic="{topic}"}}')


def test_memory_is_bounded_while_the_broker_is_away(
    settings: Settings, folder: Path, daemon: DaemonProcess, proxy: KafkaProxy
) -> None:
    started, topic = time.monotonic(), f"{settings.topic_prefix}.{NAME}"
    daemon.start()
    until(lambda: published(daemon, topic) > 50_000, "load")
    before, away_at = memory(daemon), polled(folder)
    proxy.freeze()
    stood_at = standstill(folder)
    most = most_memory(daemon, AWAY_SECONDS)
    assert polled(folder) == stood_at
    assert not events(daemon, "run_ended")
    proxy.thaw()
    there = published(daemon, topic)
    until(lambda: published(daemon, topic) > there + 20_000, "records after it has come back", seconds=120)
    assert daemon.end() == 0
    assert [line["left_behind"] for line in events(daemon, "stopped")] == [[]]
    assert len(events(daemon, "run_started")) == 1
    note = (
        f"{before / MIB:.0f} MiB before, at most {most / MIB:.0f} in {AWAY_SECONDS:g} s without a broker; "
        f"the generator gave {stood_at - away_at} items more, then none"
    )
    found = finding_of(settings, NAME, "broker away under load", 1, time.monotonic() - started, note)
    found.write()
    assert (found.missing, found.duplicates, found.wrong) == (0, 0, 0), found
    entries = [entry for entry in records(settings, "ledger", only_framed=True) if entry["source"] == NAME]
    assert sum(entry["extracted"] for entry in entries) == found.records
    assert most - before < MOST_GROWTH, found


def standstill(folder: Path) -> int:
    """Wait until the generator has not been asked for 100 items in forty looks."""
    seen: list[int] = []

    def still() -> bool:
        seen.append(polled(folder))
        return len(seen) > 40 and len(set(seen[-40:])) == 1

    until(still, "the generator's standstill")
    return seen[-1]


def most_memory(daemon: DaemonProcess, seconds: float) -> int:
    """The most that was resident in the next `seconds`."""
    found, end = [memory(daemon)], time.monotonic() + seconds

    def over() -> bool:
        found.append(memory(daemon))
        return time.monotonic() > end

    until(over, "the end of the outage", seconds=seconds + 60)
    return max(found)
