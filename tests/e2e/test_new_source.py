"""From a file in a folder to rows in a table, with both daemons as they run in production."""

from collections.abc import Callable
from pathlib import Path

from tests.daemon_process import DaemonProcess
from tests.e2e.conftest import Rows

GOOD = """
from pydantic import AwareDatetime, BaseModel
from connectors import BaseConnector

class Quakes(BaseConnector):
    name = "quakes"
    key = "id"
    event_time = "at"
    cursor = "at"

    class Record(BaseModel):
        id: int
        at: AwareDatetime
        magnitude: float

    def extract(self, since=None):
        for number in range(1, 1001):
            at = f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z"
            yield {"id": number, "at": at, "magnitude": number / 100}
        yield {"id": "no number", "at": "2026-01-01T00:00:00Z", "magnitude": 1}
"""
BROKEN = "import no_such_module\n"


def start(producer: DaemonProcess, consumer: DaemonProcess) -> None:
    for daemon in (producer, consumer):
        daemon.start()


def test_a_file_becomes_a_table_although_its_neighbour_is_broken(
    folder: Path,
    producer: DaemonProcess,
    consumer: DaemonProcess,
    loaded: Callable[[str, int], None],
    rows: Rows,
) -> None:
    (folder / "quakes.py").write_text(GOOD)
    (folder / "broken.py").write_text(BROKEN)

    start(producer, consumer)
    loaded("quakes", 1000)

    assert rows("SELECT sum(id), round(max(magnitude)), uniqExact(_id) FROM quakes") == [(500500, 10.0, 1000)]
    (quarantined,) = producer.events("connector_quarantined")
    assert quarantined["origin"].endswith("broken.py")
    assert "no_such_module" in quarantined["cause"]
    (ended,) = producer.events("run_ended")
    assert (ended["extracted"], ended["published"], ended["rejected"]) == (1001, 1000, 1)
    assert (producer.end(), consumer.end()) == (0, 0)


def test_killed_daemons_go_on_where_they_were(
    folder: Path,
    producer: DaemonProcess,
    consumer: DaemonProcess,
    loaded: Callable[[str, int], None],
    rows: Rows,
) -> None:
    (folder / "quakes.py").write_text(GOOD)
    start(producer, consumer)
    loaded("quakes", 1000)

    for daemon in (producer, consumer):
        daemon.process.kill()
    start(producer, consumer)
    (folder / "second.py").write_text(GOOD.replace('"quakes"', '"second"'))
    assert producer.end() == 0
    producer.start()
    loaded("second", 1000)

    assert rows("SELECT count(), uniqExact(_partition, _offset) FROM quakes") == [(1000, 1000)]
