"""Rule P4: the link fails at exact points, and each checkpoint is there once all the same.

Points and retries are those that librdkafka hides: `tests/integration/kafka_proxy` pins them down.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devstack.kafka_proxy import Api, KafkaProxy, Point, When
from runtime.settings import Settings, load_settings
from tests.integration.chaos import report
from tests.integration.chaos.report import Finding
from tests.integration.producer.publishing import (
    batch,
    checkpoint_of,
    closing,
    publishing,
    store_of,
    target_of,
)
from tests.integration.producer.support import messages

pytestmark = pytest.mark.requires_kafka

# A hundred of all kinds together in `make chaos`.
ROUNDS = max(4, 2 * report.ROUNDS // 5)
# The time after which librdkafka asks again.
SHORT: dict[str, Any] = {"socket.timeout.ms": 1000}
DELAY = 1.3


@pytest.fixture
def proxy(settings: Settings) -> Iterator[KafkaProxy]:
    with KafkaProxy(settings.kafka.bootstrap_servers) as proxy:
        yield proxy


def through(proxy: KafkaProxy, settings: Settings) -> Settings:
    kafka = {"bootstrap_servers": proxy.address}
    return load_settings({"kafka": kafka, "topic_prefix": settings.topic_prefix}, env={})


def each_once(settings: Settings, name: str, count: int, started: float) -> None:
    """Ten records and a ledger entry of each checkpoint, and the last one's cursor."""
    found = finding(settings, name, count, time.monotonic() - started)
    found.write()
    assert (found.missing, found.duplicates, found.wrong) == (0, 0, 0), found


def finding(settings: Settings, name: str, count: int, seconds: float) -> Finding:
    target = target_of(settings)
    numbers = Counter(int(one.key() or b"-1") for one in messages(settings, target.topic))
    entries = Counter(one.value() or b"" for one in messages(settings, target.ledger_topic))
    stored = store_of(settings).load("weather")
    return Finding(
        name=name,
        rounds=ROUNDS,
        records=10 * count,
        missing=len(set(range(10 * count)) - set(numbers)),
        duplicates=numbers.total() - len(numbers),
        wrong=len(set(numbers) - set(range(10 * count)))
        + (entries != Counter(b"entry %d" % number for number in range(1, count + 1)))
        + (stored is None or stored.cursor != count),
        seconds=round(seconds, 1),
    )


class Delivery(threading.Thread):
    """Lets the late request go once the first records of the next checkpoint are with the broker."""

    def __init__(self, produced: Point, late: Point) -> None:
        super().__init__(daemon=True)
        self._produced = produced
        self._late = late

    def run(self) -> None:
        self._produced.wait(30)
        self._late.release()
        self._produced.release()


APIS = [Api.ADD_PARTITIONS_TO_TXN, Api.PRODUCE, Api.END_TXN]


def in_rounds(settings: Settings, proxy: KafkaProxy, name: str, fail: Callable[[], Point]) -> None:
    """Publish a checkpoint in each round, in which the point that `fail` sets is reached."""
    started = time.monotonic()
    with publishing(settings, target_of(settings), through=through(proxy, settings), **SHORT) as publisher:
        publisher.take_over()
        for number in range(1, ROUNDS + 1):
            point = fail()
            publisher.publish(checkpoint_of(batch(10, first=10 * number - 10)), closing(number=number))
            assert point.reached
            point.drop()
    each_once(settings, name, ROUNDS, started)


@pytest.mark.parametrize("when", ["request", "response"])
@pytest.mark.parametrize("api", APIS)
def test_a_link_that_is_cut(proxy: KafkaProxy, settings: Settings, api: Api, when: When) -> None:
    about = target_of(settings).transactional_id
    name = f"link reset at {api.name}, {when}"
    in_rounds(settings, proxy, name, lambda: proxy.cut(api, when, about=about))


@pytest.mark.parametrize("api", APIS)
def test_an_answer_that_is_withheld(proxy: KafkaProxy, settings: Settings, api: Api) -> None:
    about = target_of(settings).transactional_id
    name = f"answer of {api.name} withheld"
    in_rounds(settings, proxy, name, lambda: proxy.hold_response(api, about=about))


@pytest.mark.parametrize("api", APIS)
def test_a_request_that_arrives_when_nobody_waits_for_it(
    proxy: KafkaProxy, settings: Settings, api: Api
) -> None:
    about = target_of(settings).transactional_id
    name = f"{api.name} delayed"
    in_rounds(settings, proxy, name, lambda: proxy.delay(api, DELAY, about=about, times=1))


def test_an_end_txn_that_comes_after_its_retry_was_answered(proxy: KafkaProxy, settings: Settings) -> None:
    """With one producer for all, it would commit the first half of the next checkpoint."""
    target, started = target_of(settings), time.monotonic()
    with publishing(settings, target, through=through(proxy, settings), **SHORT) as publisher:
        publisher.take_over()
        for number in range(1, ROUNDS + 1):
            late = proxy.hold_request(Api.END_TXN, about=target.transactional_id)
            first, second = batch(10, first=20 * number - 20), batch(10, first=20 * number - 10)
            publisher.publish(checkpoint_of(first), closing(number=2 * number - 1))
            assert late.reached
            # It arrives in the middle of the next checkpoint.
            produced = proxy.hold_response(Api.PRODUCE, about=target.transactional_id)
            delivery = Delivery(produced, late)
            delivery.start()
            publisher.publish(checkpoint_of(second), closing(number=2 * number))
            delivery.join(30)
            assert produced.reached
    each_once(settings, "EndTxn delivered after its retry", 2 * ROUNDS, started)
