"""JobsTopic: what is written of a job."""

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
