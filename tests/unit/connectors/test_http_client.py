"""`http_client` against a real server: what it asks before a request, what it heeds after, how it waits."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from connectors import QuotaExhaustedError, UpstreamError, http_client, json_of, resilient_request
from connectors.errors import LeaseLostError
from connectors.http import Quota, Refusal, governed_by
from connectors.resilience import sleeping_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_httpserver import HTTPServer

UNTIL = datetime(2026, 11, 25, 14, 5, tzinfo=UTC)


class Budget:
    """Refuses as it is told, and remembers."""

    def __init__(self, *refusals: float) -> None:
        self.refusals = list(refusals)
        self.log: list[str] = []
        self.quotas: list[Quota] = []
        self.under_way = 0

    def take(self, host: str) -> Refusal | None:
        if self.refusals:
            return Refusal("60/minute of prices", UNTIL, self.refusals.pop(0))
        self.log.append(f"take {host}")
        self.under_way += 1
        return None

    def settle(self, host: str, quotas: Sequence[Quota] = ()) -> None:
        self.log.append(f"settle {host}")
        self.under_way -= 1
        self.quotas += quotas


class Lease:
    """Valid for a number of checks."""

    def __init__(self, checks: int) -> None:
        self.checks = checks

    def check(self) -> None:
        self.checks -= 1
        if self.checks < 0:
            raise LeaseLostError("it is over")


def requests_of(server: HTTPServer) -> list[str]:
    return [request.path for request, _ in server.log]


@pytest.fixture
def page(httpserver: HTTPServer) -> str:
    httpserver.expect_request("/page").respond_with_json({"ok": True})
    return httpserver.url_for("/page")


def test_a_connector_can_be_tried_alone(page: str) -> None:
    with http_client() as client:
        assert json_of(client.get(page)) == {"ok": True}


def test_httpx_options_and_hooks_stay_as_they_are(httpserver: HTTPServer, page: str) -> None:
    seen: list[str] = []
    hooks = {
        "request": [lambda request: seen.append("out")],
        "response": [lambda response: seen.append("in")],
    }
    with http_client(headers={"X-Mine": "1"}, event_hooks=hooks, base_url=httpserver.url_for("/")) as client:
        assert isinstance(client, httpx.Client)
        client.get("page", extensions={"trace": lambda event, info: seen.append(event)})
    assert httpserver.log[0][0].headers["X-Mine"] == "1"
    assert seen[0] == "out"
    assert seen[-1] in ("in", "http11.response_closed.complete")
    assert "http11.send_request_headers.started" in seen


def test_each_request_is_counted_and_settled_once_redirects_included(
    httpserver: HTTPServer, page: str
) -> None:
    httpserver.expect_request("/old").respond_with_data(status=302, headers={"Location": page})
    budget = Budget()
    with governed_by(budget=budget), http_client(follow_redirects=True) as client:
        client.get(httpserver.url_for("/old"))
        with client.stream("GET", page) as response:
            response.read()
    assert budget.log == ["take localhost", "settle localhost"] * 3


def test_hooks_that_are_replaced_do_not_replace_ours(page: str) -> None:
    budget, seen = Budget(), []
    with governed_by(budget=budget), http_client() as client:
        client.event_hooks = {"request": [lambda request: seen.append(request)]}
        client.event_hooks = client.event_hooks
        client.get(page)
    assert budget.log == ["take localhost", "settle localhost"]
    assert len(seen) == 1


def test_a_request_without_an_answer_is_settled(httpserver: HTTPServer) -> None:
    budget = Budget()
    with governed_by(budget=budget), http_client() as client:
        with pytest.raises(httpx.ConnectError):
            client.get("http://127.0.0.1:1/")
        with pytest.raises(httpx.UnsupportedProtocol):
            client.get("ftp://upstream.test/")
    assert budget.under_way == 0


def test_a_short_wait_is_made_in_place(
    page: str, slept: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "connectors")
    with governed_by(budget=Budget(1.5, 59.0)), http_client() as client:
        assert client.get(page).is_success
    assert slept == [1.5, 59.0]
    assert "waiting 59.0 s because of 60/minute of prices" in caplog.text


def test_a_wait_ends_when_the_run_has_to(httpserver: HTTPServer, page: str) -> None:
    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    with (
        sleeping_with(stop),
        governed_by(budget=Budget(5.0)),
        http_client() as client,
        pytest.raises(KeyboardInterrupt),
    ):
        client.get(page)
    assert requests_of(httpserver) == []


def test_a_long_wait_ends_the_run_and_says_until_when(
    httpserver: HTTPServer, page: str, slept: list[float]
) -> None:
    with (
        governed_by(budget=Budget(61.0)),
        http_client() as client,
        pytest.raises(
            QuotaExhaustedError, match=r"quota 60/minute of prices .* 2026-11-25T14:05:00Z"
        ) as caught,
    ):
        resilient_request(lambda: json_of(client.get(page)))()
    assert (caught.value.quota, caught.value.until) == ("60/minute of prices", UNTIL)
    assert caught.value.retry_after == 61.0
    assert isinstance(caught.value, UpstreamError)
    assert slept == []
    assert requests_of(httpserver) == []


def test_patience_is_the_authors(page: str, slept: list[float]) -> None:
    with governed_by(budget=Budget(3000.0)), http_client(patience=3600) as client:
        assert client.get(page).is_success
    assert slept == [3000.0]


def test_quota_headers_reach_the_budget(httpserver: HTTPServer) -> None:
    headers = {"RateLimit": '"daily";r=3;t=60'}
    httpserver.expect_request("/").respond_with_data("", headers=headers)
    budget = Budget()
    with governed_by(budget=budget), http_client() as client:
        client.get(httpserver.url_for("/"))
    assert budget.quotas == [Quota("daily", 3, 60.0)]


@pytest.mark.parametrize("status", [403, 429, 503])
def test_an_answer_that_says_no_for_long_is_not_tried_again(
    httpserver: HTTPServer, slept: list[float], status: int
) -> None:
    httpserver.expect_request("/").respond_with_data("", status=status, headers={"Retry-After": "3600"})
    budget = Budget()
    before = datetime.now(UTC)
    with (
        governed_by(budget=budget),
        http_client() as client,
        pytest.raises(QuotaExhaustedError, match="Retry-After of localhost") as caught,
    ):
        resilient_request(lambda: json_of(client.get(httpserver.url_for("/"))))()
    assert len(requests_of(httpserver)) == 1
    assert slept == []
    assert timedelta(seconds=3599) < caught.value.until - before < timedelta(seconds=3630)
    assert budget.under_way == 0
    assert caught.value.status == status


def test_a_short_retry_after_is_left_to_resilient_request(httpserver: HTTPServer, slept: list[float]) -> None:
    httpserver.expect_oneshot_request("/").respond_with_data("", status=429, headers={"Retry-After": "7"})
    httpserver.expect_request("/").respond_with_json(1)
    with http_client() as client:
        assert resilient_request(lambda: json_of(client.get(httpserver.url_for("/"))))() == 1
    assert slept == [7.0]


def test_an_exhausted_quota_does_not_make_an_answer_an_error(httpserver: HTTPServer) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3600"}
    httpserver.expect_request("/page").respond_with_json(1, headers=headers)
    httpserver.expect_request("/gone").respond_with_data("", status=404, headers=headers)
    with http_client() as client:
        assert json_of(client.get(httpserver.url_for("/page"))) == 1
        assert client.get(httpserver.url_for("/gone")).status_code == 404


def test_no_request_leaves_without_the_lease(httpserver: HTTPServer, page: str) -> None:
    budget = Budget()
    with (
        governed_by(lease=Lease(0), budget=budget),
        http_client() as client,
        pytest.raises(LeaseLostError),
    ):
        client.get(page)
    assert requests_of(httpserver) == []
    assert budget.log == []


def test_the_lease_is_asked_again_after_waiting_and_after_connecting(
    httpserver: HTTPServer, page: str, slept: list[float]
) -> None:
    waited = Budget(1.0)
    with (
        governed_by(lease=Lease(1), budget=waited),
        http_client() as client,
        pytest.raises(LeaseLostError),
    ):
        client.get(page)
    assert slept == [1.0]
    assert waited.log == []  # lost while it waited: not even counted
    budget = Budget()
    with (  # the connection is there, nothing has been sent on it
        governed_by(lease=Lease(1), budget=budget),
        http_client() as client,
        pytest.raises(LeaseLostError),
    ):
        client.get(page)
    assert requests_of(httpserver) == []
    assert budget.under_way == 0


def test_each_request_of_a_redirect_is_checked_twice_and_no_more(httpserver: HTTPServer, page: str) -> None:
    httpserver.expect_request("/old").respond_with_data(status=302, headers={"Location": page})
    lease = Lease(4)
    with governed_by(lease=lease), http_client(follow_redirects=True) as client:
        client.get(httpserver.url_for("/old"))
    assert lease.checks == 0


def test_threads_of_a_connector_are_governed_too(page: str) -> None:
    budget = Budget()
    lock = threading.Lock()
    with governed_by(budget=budget), http_client() as client, ThreadPoolExecutor(4) as pool:

        def fetch(number: int) -> bool:
            with lock:  # the budget of this test is not safe to use from several threads
                return client.get(page).is_success

        assert all(pool.map(fetch, range(8)))
    assert budget.log.count("take localhost") == budget.log.count("settle localhost") == 8
