"""Topics against a broker: what they are made with, and what is said while it is away."""

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not for type checkers
    AdminClient,
    ConfigResource,
    ResourceType,
)

from producer.cursors import CursorStore
from producer.errors import BrokerAwayError
from producer.topics import Topics
from runtime.errors import DependencyError
from runtime.kafka import client_properties
from runtime.settings import Settings, load_settings
from schemas.names import Names
from tests.integration.producer.publishing import target_of


def test_topics_are_made_for_replay_and_cursors_compacted(settings: Settings) -> None:
    target = target_of(settings)
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    asked = {target.topic: "retention.ms", target.dead_letter_topic: "retention.ms"}
    asked[target.cursors_topic] = "cleanup.policy"
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in asked]
    answers = {
        resource.name: future.result(10) for resource, future in admin.describe_configs(resources).items()
    }
    assert {topic: answers[topic][name].value for topic, name in asked.items()} == {
        target.topic: "-1",
        target.dead_letter_topic: "-1",
        target.cursors_topic: "compact",
    }


def test_topics_that_are_there_are_left_as_they_are(settings: Settings) -> None:
    assert target_of(settings) == target_of(settings)


def test_an_absent_broker_is_named_within_the_deadline() -> None:
    nowhere = load_settings({"kafka": {"bootstrap_servers": "127.0.0.1:1"}}, env={})
    properties = client_properties(nowhere.kafka)
    topics = Topics(properties, nowhere.producer, timeout=0.5)
    fault = topics.reachable() or ""
    assert "the broker does not answer" in fault
    assert "Connection refused" in fault
    with pytest.raises(BrokerAwayError):
        topics.ensure_state(Names())
    # Not a guess: records between the guess and the topic's own limit would become dead letters.
    with pytest.raises(BrokerAwayError, match="does not say what weather takes"):
        topics._message_bytes(["weather"])  # noqa: SLF001 - the broker goes after the topics were found
    with pytest.raises((DependencyError, KafkaException)):
        CursorStore(properties, "_ingest.cursors", lambda: 1, timeout=0.5).load("weather")
