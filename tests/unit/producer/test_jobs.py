"""JobsTopic: what is written of a job."""

import threading
import time
from typing import Any

import pytest

from producer import compacted
from producer.jobs import JobsTopic
from schemas.records import JobPayload


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
