"""A connector's requests in the generator's thread: governed by what its run was opened under."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pytest_httpserver import HTTPServer

from connectors import QuotaExhaustedError, http_client
from connectors.errors import LeaseLostError
from connectors.http import Quota, governed_by
from producer.engine import IngestionEngine, Requeued
from producer.errors import SourceError
from producer.lease import TimedLease
from producer.limiter import RateLimiter
from producer.limits.source import QuotaWait
from producer.slices import Slices
from runtime.settings import ProducerSettings
from schemas.records import JobPayload
from tests.unit.producer.support import START, eventually, everything, slices_of


class Asking:
    """A connector's generator that asks for ever."""

    def __init__(self, server: HTTPServer, *, patience: float = 60.0) -> None:
        server.expect_request("/").respond_with_json(1)
        self.url = server.url_for("/")
        self.patience = patience
        self.asked = 0

    def items(self) -> Iterator[Any]:
        with http_client(patience=self.patience) as client:
            while True:
                yield client.get(self.url).json()
                self.asked += 1


def drain(slices: Slices[Any, list[Any]], items: list[Any]) -> None:
    """Take all that comes; raises what ended it."""
    while not slices.finished:
        items += slices.take(10.0) or []


def held() -> TimedLease:
    lease = TimedLease("prices", 60.0)
    lease.grant()
    return lease


def test_an_exhausted_quota_ends_the_run_with_what_was_extracted(httpserver: HTTPServer) -> None:
    limiter = RateLimiter({}, requests={"prices": "3/hour"})
    with governed_by(lease=held(), budget=limiter.budget("prices")):
        slices = slices_of(Asking(httpserver).items)
    items: list[Any] = []
    with slices, pytest.raises(SourceError) as caught:
        drain(slices, items)
    assert items == [1, 1, 1]
    quota = caught.value.__cause__
    assert isinstance(quota, QuotaExhaustedError)
    assert quota.quota == "3/hour of prices"
    waits = limiter.waiting("prices")
    assert waits is not None
    assert abs((waits.until - quota.until).total_seconds()) < 0.01
    assert limiter.check_limit("prices") is not None  # no run starts before


def test_a_run_that_has_to_end_does_not_sit_out_its_wait(httpserver: HTTPServer) -> None:
    limiter = RateLimiter({}, requests={"prices": "2/minute"})
    with governed_by(lease=held(), budget=limiter.budget("prices")):
        slices = slices_of(Asking(httpserver).items)
    with slices:
        eventually(lambda: limiter.waiting("prices") is not None)
        slices.stop()
        assert everything(slices) == [[1, 1]]
        assert slices.join(5.0)


def test_a_revoked_lease_ends_the_run_before_the_next_request(httpserver: HTTPServer) -> None:
    lease, asking, gone = held(), Asking(httpserver), threading.Event()

    def items() -> Iterator[Any]:
        for item in asking.items():
            yield item
            gone.wait(10.0)

    with governed_by(lease=lease):
        slices = slices_of(items)
    with slices:
        eventually(lambda: len(httpserver.log) == 1)
        lease.revoke("another producer has it")
        gone.set()
        with pytest.raises(SourceError, match="another producer has it") as caught:
            drain(slices, [])
    assert isinstance(caught.value.__cause__, LeaseLostError)
    assert len(httpserver.log) == 1


def test_a_quota_of_one_run_holds_for_the_next_run_of_its_upstream(httpserver: HTTPServer) -> None:
    limiter = RateLimiter({}, upstreams={"issues": "github", "pulls": "github"})
    budget = limiter.budget("issues")
    assert budget.take("localhost") is None
    budget.settle("localhost", [Quota("core", 0, 3600.0)])
    assert limiter.check_limit("pulls") is not None
    with governed_by(lease=held(), budget=limiter.budget("pulls")):
        slices = slices_of(Asking(httpserver).items)
    with slices, pytest.raises(SourceError, match="quota core of localhost is used up until"):
        drain(slices, [])
    assert httpserver.log == []


class Prepared:
    """A preparation of a source that is never opened, and its connector."""

    def connector(self, source: str) -> Any:
        return self

    def prepare(self, connector: Any) -> Any:
        return None

    @classmethod
    def parse_since(cls, since: object) -> object:
        return since


def test_a_job_is_put_back_with_the_reason_that_its_own_check_gave() -> None:
    waits = [QuotaWait(START, "1/hour of github")]
    engine = IngestionEngine(
        cast("Any", Prepared()),
        cast("Any", SimpleNamespace(check_limit=lambda source: waits.pop())),
        cast("Any", None),
        cast("Any", None),
        cast("Any", None),
        ProducerSettings(),
    )
    reason = f"waiting until {START:%Y-%m-%dT%H:%M:%SZ} because of quota 1/hour of github"
    assert engine.run(JobPayload(source="issues")) == Requeued(START, reason)
