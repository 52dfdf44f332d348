"""Rule P4: the link fails at exact points, and each checkpoint is there once all the same.

Points and retries are those that librdkafka hides: `tests/integration/kafka_proxy` pins them down.
"""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from devstack.kafka_proxy import Api, KafkaProxy, Point, When
from runtime.settings import Settings, load_settings
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

ROUNDS = 4
# The time after which librdkafka asks again.
SHORT: dict[str, Any] = {"socket.timeout.ms": 1000}


@pytest.fixture
def proxy(settings: Settings) -> Iterator[KafkaProxy]:
    with KafkaProxy(settings.kafka.bootstrap_servers) as proxy:
        yield proxy


def through(proxy: KafkaProxy, settings: Settings) -> Settings:
    kafka = {"bootstrap_servers": proxy.address}
    return load_settings({"kafka": kafka, "topic_prefix": settings.topic_prefix}, env={})


def each_once(settings: Settings, count: int) -> None:
    target = target_of(settings)
    found = sorted(int(one.key() or b"-1") for one in messages(settings, target.topic))
    assert found == list(range(10 * count))
    entries = [one.value() or b"" for one in messages(settings, target.ledger_topic)]
    assert sorted(entries) == sorted(b"entry %d" % number for number in range(1, count + 1))
    stored = store_of(settings).load("weather")
    assert stored is not None
    assert stored.cursor == count


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


@pytest.mark.parametrize("when", ["request", "response"])
@pytest.mark.parametrize("api", [Api.ADD_PARTITIONS_TO_TXN, Api.PRODUCE, Api.END_TXN])
def test_a_link_that_is_cut(proxy: KafkaProxy, settings: Settings, api: Api, when: When) -> None:
    target = target_of(settings)
    about = target.transactional_id
    with publishing(settings, target, through=through(proxy, settings), **SHORT) as publisher:
        publisher.take_over()
        for number in range(1, ROUNDS + 1):
            point = proxy.cut(api, when, about=about)
            publisher.publish(checkpoint_of(batch(10, first=10 * number - 10)), closing(number=number))
            assert point.reached
    each_once(settings, ROUNDS)


@pytest.mark.parametrize("api", [Api.ADD_PARTITIONS_TO_TXN, Api.PRODUCE, Api.END_TXN])
def test_an_answer_that_is_withheld(proxy: KafkaProxy, settings: Settings, api: Api) -> None:
    target = target_of(settings)
    with publishing(settings, target, through=through(proxy, settings), **SHORT) as publisher:
        publisher.take_over()
        for number in range(1, ROUNDS + 1):
            point = proxy.hold_response(api, about=target.transactional_id)
            publisher.publish(checkpoint_of(batch(10, first=10 * number - 10)), closing(number=number))
            assert point.reached
            point.drop()
    each_once(settings, ROUNDS)


def test_an_end_txn_that_comes_after_its_retry_was_answered(proxy: KafkaProxy, settings: Settings) -> None:
    """With one producer for all, it would commit the first half of the next checkpoint."""
    target = target_of(settings)
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
    each_once(settings, 2 * ROUNDS)
