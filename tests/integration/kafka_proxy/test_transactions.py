"""What the proxy does to a transactional producer of librdkafka before Apache Kafka, and how that takes it.

Some tests pin down traps of librdkafka 2.16 that rule P4 is about. When one fails after an upgrade, look at
the rule anew.
"""

import logging
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from devstack.kafka_proxy import Api, KafkaProxy, Point, When
from devstack.processes import ChildProcess
from devstack.stack import Addresses

pytestmark = pytest.mark.requires_kafka

SOON = 20.0
# How long librdkafka waits for an answer before it tries again on a new connection.
SHORT: dict[str, Any] = {"socket.timeout.ms": 1000}

CHILD = """
import sys
from confluent_kafka import Producer
address, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": address, "transactional.id": topic})
producer.init_transactions()
producer.begin_transaction()
producer.produce(topic, "child")
producer.commit_transaction()
"""


@pytest.fixture
def proxy(addresses: Addresses) -> Iterator[KafkaProxy]:
    with KafkaProxy(addresses.bootstrap_servers) as proxy:
        yield proxy


@pytest.fixture
def topic(addresses: Addresses) -> str:
    """A topic of one partition; its name is the transactional id too."""
    name = f"proxied-{secrets.token_hex(4)}"
    admin = AdminClient({"bootstrap.servers": addresses.bootstrap_servers})
    admin.create_topics([NewTopic(name, 1)])[name].result()
    return name


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def producer_at(address: str, topic: str, **more: Any) -> Producer:
    """A producer that has fenced its predecessors."""
    producer = Producer({"bootstrap.servers": address, "transactional.id": topic, **more})
    producer.init_transactions(SOON)
    return producer


def send(producer: Producer, topic: str, *texts: str) -> None:
    """Have the texts acknowledged in an open transaction."""
    for text in texts:
        producer.produce(topic, text)
    assert producer.flush(SOON) == 0


def commit(producer: Producer, topic: str, *texts: str) -> None:
    producer.begin_transaction()
    send(producer, topic, *texts)
    producer.commit_transaction(SOON)


def texts(address: str, topic: str, isolation: str = "read_committed") -> list[str]:
    """What a reader meets up to the end of the partition, or up to an open transaction."""
    settings = {"bootstrap.servers": address, "group.id": topic, "isolation.level": isolation}
    consumer = Consumer({**settings, "enable.partition.eof": True})
    found: list[str] = []
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while message := consumer.poll(SOON):
            if error := message.error():
                assert error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - its public name
                return found
            found.append((message.value() or b"").decode())
    finally:
        consumer.close()
    pytest.fail(f"no end of {topic} within {SOON:g} s")


def committing(pool: ThreadPoolExecutor, producer: Producer, topic: str, *texts: str) -> "Future[None]":
    return pool.submit(commit, producer, topic, *texts)


def test_without_points_nothing_is_different(proxy: KafkaProxy, topic: str) -> None:
    producer = producer_at(proxy.address, topic)
    for number in range(3):
        commit(producer, topic, f"{number}")
    producer.begin_transaction()
    send(producer, topic, "given up")
    producer.abort_transaction(SOON)
    assert texts(proxy.address, topic) == ["0", "1", "2"]
    assert proxy.seen(Api.END_TXN, "response") == proxy.seen(Api.END_TXN) == 4
    assert min(proxy.seen(Api.PRODUCE), proxy.seen(Api.FETCH)) > 0


def test_a_commit_whose_answer_is_held_is_done_but_not_known(
    proxy: KafkaProxy, addresses: Addresses, topic: str, pool: ThreadPoolExecutor
) -> None:
    point = proxy.hold_response(Api.END_TXN, about=topic)
    done = committing(pool, producer_at(proxy.address, topic), topic, "a")
    point.wait(SOON)
    assert texts(addresses.bootstrap_servers, topic) == ["a"]
    assert not done.done()
    point.release()
    done.result(SOON)
    assert proxy.seen(Api.END_TXN) == 1


def test_a_process_killed_with_its_end_txn_unsent_has_committed_nothing(
    proxy: KafkaProxy, addresses: Addresses, topic: str, tmp_path: Path
) -> None:
    point = proxy.hold_request(Api.END_TXN, about=topic)
    child = ChildProcess(
        "child", [sys.executable, "-c", CHILD, proxy.address, topic], log=tmp_path / "child.log"
    )
    child.start()
    try:
        point.wait(SOON)
    finally:
        child.kill()
    point.drop()
    commit(producer_at(proxy.address, topic), topic, "successor")
    assert texts(addresses.bootstrap_servers, topic) == ["successor"]
    assert texts(addresses.bootstrap_servers, topic, "read_uncommitted") == ["child", "successor"]


def late_after_retry(proxy: KafkaProxy, topic: str, **more: Any) -> tuple[Producer, Point]:
    """A producer that committed "first" by its second EndTxn, and the point that still holds the first."""
    producer = producer_at(proxy.address, topic, **SHORT, **more)
    point = proxy.hold_request(Api.END_TXN, about=topic)
    commit(producer, topic, "first")
    assert (proxy.seen(Api.END_TXN), proxy.seen(Api.END_TXN, "response")) == (2, 1)
    return producer, point


def deliver(proxy: KafkaProxy, point: Point) -> None:
    """Let the late EndTxn go, until the broker has answered it and written its markers."""
    point.release()
    proxy.wait_for(Api.END_TXN, SOON, when="response", count=2)
    time.sleep(0.5)


def test_a_late_end_txn_commits_half_of_the_next_transaction(
    proxy: KafkaProxy, addresses: Addresses, topic: str
) -> None:
    producer, point = late_after_retry(proxy, topic)
    producer.begin_transaction()
    send(producer, topic, "half")
    deliver(proxy, point)
    assert texts(addresses.bootstrap_servers, topic) == ["first", "half"]
    # The broker refuses the other half: the writer learns of it, but the first half stays.
    producer.produce(topic, "other half")
    with pytest.raises(KafkaException, match="invalid state"):
        producer.commit_transaction(SOON)
    assert texts(addresses.bootstrap_servers, topic) == ["first", "half"]


def test_a_new_producer_makes_a_late_end_txn_harmless(
    proxy: KafkaProxy, addresses: Addresses, topic: str
) -> None:
    _, point = late_after_retry(proxy, topic)
    successor = producer_at(proxy.address, topic)
    successor.begin_transaction()
    send(successor, topic, "half")
    deliver(proxy, point)
    assert texts(addresses.bootstrap_servers, topic) == ["first"]
    send(successor, topic, "other half")
    successor.commit_transaction(SOON)
    assert texts(addresses.bootstrap_servers, topic) == ["first", "half", "other half"]


@pytest.mark.parametrize("when", ["request", "response"])
def test_a_cut_at_produce_neither_loses_nor_repeats(
    proxy: KafkaProxy, addresses: Addresses, topic: str, when: When
) -> None:
    producer = producer_at(proxy.address, topic)
    proxy.cut(Api.PRODUCE, when)
    commit(producer, topic, "a", "b")
    assert texts(addresses.bootstrap_servers, topic) == ["a", "b"]
    assert proxy.seen(Api.PRODUCE) > 1


def test_a_commit_waits_while_the_link_is_frozen(
    proxy: KafkaProxy, addresses: Addresses, topic: str, pool: ThreadPoolExecutor
) -> None:
    producer = producer_at(proxy.address, topic)
    producer.begin_transaction()
    send(producer, topic, "a")
    proxy.freeze()
    done = pool.submit(producer.commit_transaction, SOON)
    proxy.wait_for(Api.END_TXN, SOON)
    time.sleep(1)
    assert not done.done()
    assert texts(addresses.bootstrap_servers, topic) == []
    proxy.thaw()
    done.result(SOON)
    assert texts(addresses.bootstrap_servers, topic) == ["a"]
    assert proxy.seen(Api.END_TXN) == 1


class Lines(logging.Handler):
    """What librdkafka logs, as text."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def failures(self) -> int:
        """How many connections broke, as far as poll() has fetched the lines; debug=broker omits none."""
        return sum(line.startswith("FAIL ") and "(_TRANSPORT)" in line for line in self.lines)


def test_a_retried_end_txn_is_told_by_the_broker_log_only(proxy: KafkaProxy, topic: str) -> None:
    """No event reaches error_cb, and without debug=broker the log leaves out all but the first two."""
    events: list[KafkaError] = []
    log = Lines()
    logger = logging.getLogger(topic)
    logger.addHandler(log)
    logger.setLevel(logging.DEBUG)
    more = {"error_cb": events.append, "logger": logger, "debug": "broker"}
    producer = producer_at(proxy.address, topic, **more)
    producer.poll(0)
    # At the start librdkafka closes a connection itself, when it learns the coordinator's address.
    before = log.failures()
    for number in range(1, 5):
        proxy.cut(Api.END_TXN, "response")
        commit(producer, topic, f"{number}")
        producer.poll(0)
        assert log.failures() == before + number
        assert proxy.seen(Api.END_TXN) == 2 * number
    assert events == []
