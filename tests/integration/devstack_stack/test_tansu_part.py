"""Tansu as a part: topics, records and groups work as the demo needs them, and a restart forgets all."""

from collections.abc import Callable

import pytest
from confluent_kafka import TopicCollection, Uuid

from devstack.broker import Broker
from devstack.broker.tansu import SESSION_PROPERTIES
from tests.integration.devstack_stack.clients import Clients


@pytest.fixture(scope="module")
def broker(own_broker: Callable[[str], Broker]) -> Broker:
    return own_broker("tansu")


@pytest.fixture(scope="module")
def clients(broker: Broker) -> Clients:
    return Clients(broker, SESSION_PROPERTIES)


def topic_id(clients: Clients, topic: str) -> str:
    described: Uuid = clients.admin.describe_topics(TopicCollection([topic]))[topic].result(30).topic_id
    return str(described)


def test_a_group_reads_what_was_written(clients: Clients) -> None:
    clients.create_topic("weather")
    clients.produce("weather", b"a", b"b", b"c")
    assert clients.read("weather", 3) == [b"a", b"b", b"c"]


def test_a_topic_gets_as_many_partitions_as_on_kafka(clients: Clients) -> None:
    clients.create_topic("partitions")
    assert len(clients.admin.list_topics("partitions", timeout=10).topics["partitions"].partitions) == 3


def test_a_restart_forgets_everything_and_a_new_topic_has_another_id(
    broker: Broker, clients: Clients
) -> None:
    clients.create_topic("forgotten")
    clients.produce("forgotten", b"old")
    first, address = topic_id(clients, "forgotten"), broker.address

    broker.kill()
    broker.start()

    assert broker.address == address
    anew = Clients(broker, SESSION_PROPERTIES)
    assert anew.admin.list_topics(timeout=10).topics == {}
    anew.create_topic("forgotten")
    assert topic_id(anew, "forgotten") != first


def test_it_does_not_take_the_environment_for_its_own(
    own_broker: Callable[[str], Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER_ID", "somebody-elses")
    monkeypatch.setenv("SCHEMA_REGISTRY", "http://127.0.0.1:1")
    clients = Clients(own_broker("tansu"), SESSION_PROPERTIES)
    assert clients.admin.list_topics(timeout=10).cluster_id != "somebody-elses"
