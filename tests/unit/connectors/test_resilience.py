"""`resilient_request` against a real HTTP server that misbehaves; waits are recorded, none happens."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from werkzeug import Request, Response

from connectors import UpstreamError, UpstreamFormatError, UpstreamRefusedError, json_of, resilient_request

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

SECRET = "s3cret"  # never whole in this file, whose lines tracebacks show
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class World:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def clock(self) -> float:
        return self.seconds

    def resilient(self, function: Callable[[], Any], **options: Any) -> Callable[[], Any]:
        """Decorate with this world's time, and with the longest jitter unless told otherwise."""
        time: dict[str, Any] = {"sleep": self.sleep, "clock": self.clock, "now": lambda: NOW}
        return resilient_request(**{**time, "random": lambda: 1.0, **options})(function)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def answers(httpserver: HTTPServer) -> Callable[..., Callable[[], Any]]:
    """Let /page give these answers in order, the last one for ever; return the fetch of one page."""

    def serve(*responses: Response) -> Callable[[], Any]:
        left = list(responses)

        def respond(_: Request) -> Response:
            return left.pop(0) if len(left) > 1 else left[0]

        httpserver.expect_request("/page").respond_with_handler(respond)

        def fetch() -> Any:
            return json_of(httpx.get(httpserver.url_for(f"/page?apikey={SECRET}")))

        return fetch

    return serve


def ok() -> Response:
    return Response('{"page": 1}', content_type="application/json")


def status(code: int, **headers: str) -> Response:
    return Response("{}", code, {name.replace("_", "-"): value for name, value in headers.items()})


Answers = Callable[..., Callable[[], Any]]


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504, 599])
def test_statuses_that_heal_are_tried_again(world: World, answers: Answers, code: int) -> None:
    fetch = world.resilient(answers(status(code), status(code), ok()))
    assert fetch() == {"page": 1}
    assert world.slept == [0.5, 1.0]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 422])
def test_statuses_that_do_not_heal_are_refusals_at_once(world: World, answers: Answers, code: int) -> None:
    with pytest.raises(UpstreamRefusedError, match=f"status {code}") as caught:
        world.resilient(answers(status(code)))()
    assert caught.value.status == code
    assert world.slept == []


def test_an_outage_of_a_minute_is_outlived_even_with_the_shortest_waits(world: World) -> None:
    request = httpx.Request("GET", "http://upstream.test/page")

    def fetch() -> httpx.Response:
        return httpx.Response(500 if world.seconds < 60 else 200, request=request)

    assert world.resilient(fetch, random=lambda: 0.0)().status_code == 200
    assert world.seconds >= 60


def test_waits_double_with_jitter_up_to_max_wait(world: World, answers: Answers) -> None:
    draws = iter([0.0, 0.5, 1.0, 0.0, 1.0, 0.0])
    fetch = world.resilient(answers(status(500)), attempts=6, max_wait=3, random=lambda: next(draws))
    with pytest.raises(UpstreamError):
        fetch()
    assert world.slept == [0.25, 0.75, 2.0, 1.5, 3.0]


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("7", 7.0),
        ("0", 0.5),
        ("1.5", 1.5),
        (format_datetime(NOW + timedelta(seconds=42), usegmt=True), 42.0),
        ("1000000000", 60.0),
        (format_datetime(NOW + timedelta(days=900), usegmt=True), 60.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.5),
        ("-5", 0.5),
        ("1e999", 0.5),
        ("9" * 400, 0.5),
        ("soon", 0.5),
        ("", 0.5),
        ("١٢", 0.5),
        ("Fri, 99 Foo 2026 99:99:99 GMT", 0.5),
    ],
)
def test_retry_after_is_honoured_capped_and_not_believed_blindly(
    world: World, value: str, wait: float
) -> None:
    request = httpx.Request("GET", "http://upstream.test/page")
    headers = httpx.Headers([(b"retry-after", value.encode())])
    responses = iter([httpx.Response(429, headers=headers, request=request), httpx.Response(200)])
    assert world.resilient(lambda: next(responses))().status_code == 200
    assert world.slept == [wait]


def test_retry_after_travels_through_a_real_server(world: World, answers: Answers) -> None:
    fetch = world.resilient(answers(status(429, Retry_After="10" * 5), status(503, Retry_After="3"), ok()))
    assert fetch() == {"page": 1}
    assert world.slept == [60.0, 3.0]


def test_after_the_deadline_the_last_error_says_what_was_tried(world: World, answers: Answers) -> None:
    fetch = world.resilient(answers(status(503, Retry_After="30")), deadline=100)
    with pytest.raises(UpstreamError) as caught:
        fetch()
    error = caught.value
    assert (error.status, error.attempts, error.seconds, error.retry_after) == (503, 4, 90.0, 30.0)
    assert error.url is not None
    assert error.url.endswith("/page")
    for part in (error.url, "status 503", "4 attempts", "90.0 s"):
        assert part in str(error)
    assert isinstance(error.__cause__, httpx.HTTPStatusError)


def test_no_wait_begins_that_would_pass_the_deadline(world: World, answers: Answers) -> None:
    with pytest.raises(UpstreamError):
        world.resilient(answers(status(429, Retry_After="50")), deadline=49)()
    assert world.slept == []


@pytest.mark.parametrize("code", [500, 403])
def test_neither_messages_nor_tracebacks_hold_query_or_credentials(
    world: World, answers: Answers, code: int
) -> None:
    with pytest.raises((UpstreamError, UpstreamRefusedError)) as caught:
        world.resilient(answers(status(code)), attempts=1)()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("response", "shown"),
    [
        (Response("<html><h1>Maintenance</h1>", content_type="text/html"), ["text/html", "<h1>Maintenance"]),
        (Response('{"items": [1, 2', content_type="application/json"), ["application/json", "[1, 2"]),
        (Response("", content_type="application/json"), ["0 bytes"]),
        (Response(b"\xff\xfe\xfd", content_type="application/json"), ["is no JSON"]),
        (Response("[" * 100_000, content_type="application/json"), ["is no JSON"]),
    ],
)
def test_answers_that_are_no_json_are_tried_again_and_then_shown(
    world: World, answers: Answers, response: Response, shown: list[str]
) -> None:
    fetch = world.resilient(answers(response), attempts=3)
    with pytest.raises(UpstreamFormatError, match="3 attempts") as caught:
        fetch()
    assert len(world.slept) == 2
    for part in shown:
        assert part in str(caught.value)


def test_html_in_between_is_forgotten_once_json_comes(world: World, answers: Answers) -> None:
    fetch = world.resilient(answers(Response("<html>", content_type="text/html"), ok()))
    assert fetch() == {"page": 1}


def test_a_body_cut_short_is_tried_again(world: World, answers: Answers) -> None:
    short = Response('{"page": ', headers={"Content-Length": "4000"}, content_type="application/json")
    assert world.resilient(answers(short, ok()))() == {"page": 1}


def test_errors_of_the_functions_own_pass_through(world: World) -> None:
    with pytest.raises(KeyError):
        world.resilient(lambda: dict[str, int]()["missing"])()
    assert world.slept == []


def test_keyboard_interrupt_is_never_swallowed(world: World) -> None:
    def fetch() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.resilient(fetch)()
    assert world.slept == []


def test_a_returned_response_that_may_heal_is_a_failure(world: World) -> None:
    request = httpx.Request("GET", "http://upstream.test/")
    responses = iter([httpx.Response(500, request=request), httpx.Response(200, request=request)])
    assert world.resilient(lambda: next(responses))().status_code == 200


@pytest.mark.parametrize("code", [200, 204, 304, 404])
def test_any_other_returned_response_is_the_functions_to_judge(world: World, code: int) -> None:
    assert world.resilient(lambda: httpx.Response(code))().status_code == code


def test_the_error_body_of_a_refusal_is_shown(world: World, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/bad").respond_with_json({"reason": "end_date out of range"}, status=400)
    with pytest.raises(UpstreamRefusedError, match="end_date out of range"):
        world.resilient(lambda: json_of(httpx.get(httpserver.url_for("/bad"))))()


def test_each_call_counts_its_own_attempts(world: World) -> None:
    def fetch() -> None:
        raise TimeoutError

    fetch_twice = world.resilient(fetch, attempts=2)
    for _ in range(3):
        with pytest.raises(UpstreamError, match="2 attempts"):
            fetch_twice()
    assert len(world.slept) == 3


def test_each_retry_is_logged_with_a_stable_action(
    world: World, answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "connectors"):
        world.resilient(answers(status(429, Retry_After="7"), ok()))()
    (line,) = caplog.records
    facts = vars(line)
    assert (facts["action"], facts["status"], facts["attempt"], facts["wait_seconds"]) == (
        "request_retry",
        429,
        1,
        7.0,
    )
    assert SECRET not in line.getMessage()
    assert "next in 7.0 s" in line.getMessage()
