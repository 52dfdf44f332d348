"""P10 on a real broker: what the limits topic holds, and processes that are killed, suspended and cut off."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.http import Quota
from producer.errors import BrokerAwayError
from producer.limiter import RateLimiter
from producer.limits.store import LimitsStore
from producer.topics import Topics
from runtime.kafka import client_properties
from runtime.settings import Settings
from schemas.names import Names
from tests.integration.producer.support import messages
from tests.unit.producer.limits_support import fullest

HOST = "api.test"
PROCESS = Path(__file__).with_name("limited_process.py")


@contextmanager
def store_of(settings: Settings, **overrides: str) -> Iterator[LimitsStore]:
    topics = Topics(client_properties(settings.kafka), settings.producer)
    names = Names(settings.topic_prefix)
    topics.ensure_state(names)
    topic = names.limits
    writer = {**client_properties(settings.kafka), **overrides}
    reader = client_properties(settings.kafka, **{"group.id": "ingest-limits", "fetch.wait.max.ms": 10})
    with LimitsStore(writer, reader, topic, lambda: topics.partitions(topic), timeout=3.0) as store:
        yield store


def spend(limiter: RateLimiter, source: str) -> int:
    """Requests until the first refusal."""
    budget, count = limiter.budget(source), 0
    while budget.take(HOST) is None:
        budget.settle(HOST)
        count += 1
    return count


def limiter_with(store: LimitsStore) -> RateLimiter:
    """As a process that has just started."""
    return RateLimiter({"prices": "5/hour"}, requests={"prices": "100/hour", "other": "7/hour"}, store=store)


def test_counts_survive_the_process_and_upstreams_do_not_mix(settings: Settings) -> None:
    with store_of(settings) as store:
        first = limiter_with(store)
        assert spend(first, "other") == 7
        for _ in range(12):
            assert first.budget("prices").take(HOST) is None
            first.budget("prices").settle(HOST)
    with store_of(settings) as store:  # crashed: the rest of the third block of five counts as used
        second = limiter_with(store)
        assert spend(second, "other") == 0
        assert spend(second, "prices") == 85
        assert second.check_limit("prices") is not None  # the quota of requests has no room for an hour
        second.release("prices")
        second.release("other")
    with store_of(settings) as store:
        assert spend(limiter_with(store), "prices") == 0


def test_an_orderly_end_gives_back_what_was_reserved(settings: Settings) -> None:
    with store_of(settings) as store:
        first = limiter_with(store)
        assert first.check_limit("prices") is None
        for _ in range(12):
            assert first.budget("prices").take(HOST) is None
            first.budget("prices").settle(HOST)
        first.release("prices")
        assert spend(limiter_with(store), "prices") == 88


def test_an_exhausted_quota_is_known_to_the_next_process(settings: Settings) -> None:
    with store_of(settings) as store:
        first = RateLimiter({}, store=store)
        assert first.budget("prices").take(HOST) is None
        first.budget("prices").settle(HOST, [Quota("core", 0, 3600.0)])
        second = RateLimiter({}, store=store)
        refusal = second.budget("prices").take(HOST)
        assert refusal is not None
        assert refusal.quota == "core of api.test"
        assert 3500 < refusal.seconds <= 3600
        waits = second.waiting("prices")
        assert waits is not None
        assert waits.until == refusal.until


@pytest.mark.requires_kafka
def test_the_broker_dates_the_records(settings: Settings) -> None:
    with store_of(settings) as store:
        ownership = store.own("prices")
        limiter_with(store).acquire("prices")
        (found,) = ownership.load(limiter_with(store)._clocks.stamped())  # noqa: SLF001
        assert found.broker_seconds is not None
        assert 0.0 <= found.broker_seconds < 30.0


def test_former_owners_are_deleted_and_records_nobody_can_read_are_passed_over(settings: Settings) -> None:
    topic = Names(settings.topic_prefix).limits
    with store_of(settings) as store:
        for _ in range(3):
            limiter = limiter_with(store)
            assert limiter.budget("prices").take(HOST) is None
        partition = messages(settings, topic)[0].partition()
        producer = Producer(client_properties(settings.kafka))
        producer.produce(topic, b"{", b"prices/foreign", partition=partition or 0)
        producer.flush(10)
        assert spend(limiter_with(store), "prices") == 85
    newest = {message.key(): message.value() for message in messages(settings, topic)}
    assert len([key for key, value in newest.items() if value is not None]) == 2


def test_without_a_broker_no_request_is_allowed(settings: Settings) -> None:
    with store_of(settings, **{"bootstrap.servers": "127.0.0.1:1"}) as store:
        limiter = limiter_with(store)
        with pytest.raises(BrokerAwayError):
            limiter.check_limit("prices")
        refusal = limiter.budget("prices").take(HOST)
        assert refusal is not None
        assert refusal.seconds == 1.0


class Upstream:
    """Notes when each request came; answers while `answering` is set. `held`: a request waits for that."""

    def __init__(self, server: HTTPServer) -> None:
        self.times: list[float] = []
        self.answering, self.held = threading.Event(), threading.Event()
        self.answering.set()
        self._lock = threading.Lock()
        server.expect_request("/").respond_with_handler(self._answer)
        self.url = server.url_for("/")

    def _answer(self, request: Request) -> Response:
        with self._lock:
            self.times.append(time.monotonic())
        if not self.answering.is_set():
            self.held.set()
            self.answering.wait(30)
        return Response("ok")

    def wait_for(self, count: int, *, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while len(self.times) < count and time.monotonic() < deadline:
            time.sleep(0.002)


@contextmanager
def process(environment: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(PROCESS), *arguments]
    child = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def test_a_process_killed_again_and_again_never_exceeds_the_limit(
    settings: Settings, environment: dict[str, str], httpserver: HTTPServer
) -> None:
    """kill -9 in a loop, at random moments: as counted by the upstream, in any window, plus nothing."""
    upstream, rounds, chance = Upstream(httpserver), 8, random.Random(4)
    with store_of(settings):
        pass
    for _ in range(rounds):
        before = len(upstream.times)
        with process(environment, upstream.url, "2", "8/second", "40/minute") as child:
            upstream.wait_for(before + 1, seconds=4.0)
            time.sleep(chance.random() * 0.4)
            child.send_signal(signal.SIGKILL)
    # One that nobody kills uses what is left, and no more.
    with process(environment, upstream.url, "2", "8/second", "40/minute"):
        upstream.wait_for(41, seconds=6.0)
    assert fullest(upstream.times, 1.0) <= 8
    assert fullest(upstream.times, 60.0) <= 40
    # Each crash costs a block of two at most: the limit is not kept by asking nothing.
    assert len(upstream.times) >= 40 - 2 * rounds


def test_two_processes_that_ask_at_once_share_the_limit(
    settings: Settings, environment: dict[str, str], httpserver: HTTPServer
) -> None:
    """As `ingest run` beside a daemon: each takes the count over from the other, again and again."""
    upstream = Upstream(httpserver)
    arguments = (upstream.url, "20", "8/second", "40/minute")
    with store_of(settings):
        pass
    with process(environment, *arguments), process(environment, *arguments):
        upstream.wait_for(41, seconds=25.0)
    assert fullest(upstream.times, 1.0) <= 8
    assert fullest(upstream.times, 60.0) <= 40
    # What one has reserved when the other takes over counts as used.
    assert len(upstream.times) >= 10


def test_a_suspended_process_asks_nothing_when_it_goes_on(
    settings: Settings, environment: dict[str, str], httpserver: HTTPServer
) -> None:
    upstream = Upstream(httpserver)
    with store_of(settings):
        pass
    with process(environment, upstream.url, "2", "600/second") as child:
        upstream.wait_for(20)
        # It waits for an answer: between its look at the lease and its request it could not be caught.
        upstream.answering.clear()
        assert upstream.held.wait(30)
        child.send_signal(signal.SIGSTOP)
        upstream.answering.set()
        time.sleep(2.5)  # longer than its lease
        before = len(upstream.times)
        child.send_signal(signal.SIGCONT)
        assert child.wait(10) != 0  # LeaseLostError
    assert before >= 20
    assert len(upstream.times) == before
