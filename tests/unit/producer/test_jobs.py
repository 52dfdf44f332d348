"""JobsTopic: what is written of a job."""

import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from producer import compacted
from producer.jobs import JobsTopic
from schemas.records import JobPayload, Pause


class Client:
    """Takes records instead of a broker."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def produce(self, topic: str, value: bytes, key: str, **options: Any) -> None:
        self.values.append(value)

    def poll(self, timeout: float) -> None:
        """Nothing to tell."""


def test_why_a_job_was_put_back_is_kept_short_and_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    monkeypatch.setattr(compacted, "Producer", lambda properties: client)
    jobs = JobsTopic({}, "jobs", {}, lambda: 1, hide=lambda text: text.replace("s3cret", "***"))
    jobs.keep(JobPayload(source="weather", reason=f"GET /?key=s3cret: {'x' * 2_000_000}"))
    [value] = client.values
    assert b"s3cret" not in value
    assert b"key=***" in value
    assert len(value) < 1_000


def test_what_is_no_text_for_utf_8_is_written_as_it_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    monkeypatch.setattr(compacted, "Producer", lambda properties: client)
    JobsTopic({}, "jobs", {}, lambda: 1).keep(JobPayload(source="weather", reason="bad \ud800"))
    assert b"bad \\\\ud800" in client.values[0]


def test_two_threads_that_write_first_share_one_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    clients: list[Client] = []

    def open_slowly(properties: Any) -> Client:
        time.sleep(0.05)
        clients.append(Client())
        return clients[-1]

    monkeypatch.setattr(compacted, "Producer", open_slowly)
    topic = compacted.CompactedTopic({}, "jobs")
    threads = [threading.Thread(target=topic.put, args=(name, b"")) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(client.values) for client in clients] == [2]


Put = list[tuple[str, bool, int]]


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Put:
    """What is put, on librdkafka's mock broker of four partitions: keys, whether they stay, partitions."""
    put: Put = []
    real = compacted.CompactedTopic.put

    def spied(
        topic: compacted.CompactedTopic, key: str, value: bytes | None, *, partition: int = -1
    ) -> compacted.Delivery:
        put.append((key, value is not None, partition))
        return real(topic, key, value, partition=partition)

    monkeypatch.setattr(compacted.CompactedTopic, "put", spied)
    return put


MOCK: dict[str, Any] = {"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0}


def test_what_is_moved_is_deleted_where_it_was_once_it_is_written(
    mocked: Put,
) -> None:
    jobs = JobsTopic(MOCK, "jobs", {}, lambda: 4)
    jobs.place("weather", 2)
    pause = Pause(source="weather", at=datetime(2026, 1, 1, tzinfo=UTC), by="ann")
    jobs.move([JobPayload(source="weather", job_id="j"), pause], former=1)
    written, deleted = mocked[:2], mocked[2:]
    assert written == [("j", True, 2), ("pause/weather", True, 2)]
    assert deleted == [("j", False, 1), ("pause/weather", False, 1)]


@pytest.mark.parametrize("refusing", [{"message.max.bytes": 1000}, {}])
def test_what_is_refused_stays_where_it_was(mocked: Put, refusing: dict[str, Any]) -> None:
    jobs = JobsTopic({**MOCK, **refusing}, "jobs", {}, lambda: 4)
    jobs.place("weather", 2 if refusing else 99)
    jobs.move([JobPayload(source="weather", job_id="j", since="s" * 2000)], former=1)
    assert [written for _, written, _ in mocked] == [True]


def test_who_asks_hears_that_a_record_was_refused() -> None:
    jobs = JobsTopic(MOCK, "jobs", {}, lambda: 4)
    jobs.place("weather", 99)
    refused, written = jobs.keep(JobPayload(source="weather")), jobs.keep(JobPayload(source="news"))
    jobs.flush(10.0)
    assert refused.refused is not None
    assert "partition" in refused.refused.lower()
    assert (refused.acknowledged, written.acknowledged, written.refused) == (False, True, None)
