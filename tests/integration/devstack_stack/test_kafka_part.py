"""Apache Kafka as a part: what it offers to clients, and what survives its death."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from devstack.broker import Broker
from devstack.broker.tansu import SESSION_PROPERTIES
from tests.integration.devstack_stack.clients import Clients

pytestmark = pytest.mark.requires_kafka


@pytest.fixture(scope="module")
def broker(own_broker: Callable[[str], Broker]) -> Broker:
    return own_broker("kafka")


@pytest.fixture(scope="module")
def clients(broker: Broker) -> Clients:
    return Clients(broker)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_both_group_protocols_read_what_was_written(clients: Clients, protocol: str) -> None:
    topic = f"group-{protocol}"
    clients.create_topic(topic)
    clients.produce(topic, b"a", b"b", b"c")
    assert clients.read(topic, 3, group=topic, **{"group.protocol": protocol}) == [b"a", b"b", b"c"]


def test_a_committed_transaction_is_read_and_an_aborted_one_is_not(clients: Clients) -> None:
    clients.create_topic("transactions")
    producer = clients.producer(**{"transactional.id": "one"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce("transactions", b"aborted")
    producer.abort_transaction(30)
    producer.begin_transaction()
    producer.produce("transactions", b"committed")
    producer.commit_transaction(30)
    assert clients.read("transactions", 1) == [b"committed"]


def test_topics_are_not_made_by_writing_to_them(clients: Clients) -> None:
    producer = clients.producer(**{"message.timeout.ms": 3000})
    errors: list[KafkaError | None] = []
    producer.produce("nobody-made-me", b"x", on_delivery=lambda error, message: errors.append(error))
    producer.flush(30)
    # Not `errors != [None]`: comparing a KafkaError with None leaves an error behind for the next C call.
    assert [error is None for error in errors] == [False]
    assert "nobody-made-me" not in clients.admin.list_topics(timeout=10).topics


def test_short_sessions_are_for_tansu_only(broker: Broker, clients: Clients) -> None:
    clients.create_topic("sessions")
    with pytest.raises(KafkaException, match="INVALID_SESSION_TIMEOUT"):
        Clients(broker, SESSION_PROPERTIES).read("sessions", 1)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_records_and_clients_outlive_a_restart(broker: Broker, clients: Clients, end: str) -> None:
    topic = f"survives-{end}"
    clients.create_topic(topic)
    clients.produce(topic, b"before")
    producer, address, pid = clients.producer(), broker.address, broker.pid

    getattr(broker, end)()
    assert not broker.running
    producer.produce(topic, b"meanwhile")
    broker.start()

    assert (broker.address, broker.pid != pid) == (address, True)
    assert producer.flush(30) == 0
    assert clients.read(topic, 2, group=topic) == [b"before", b"meanwhile"]
