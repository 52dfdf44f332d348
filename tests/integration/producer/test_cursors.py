"""What the cursors topic holds, and when it can be believed to hold nothing."""

import threading

import pytest

from producer.cursors import CursorStore
from producer.topics import Topics
from runtime.errors import DependencyError
from runtime.kafka import client_properties
from runtime.settings import Settings
from schemas.names import Names
from tests.integration.producer.support import parts_for


def store(settings: Settings, *, timeout: float) -> CursorStore:
    topic = Names(settings.topic_prefix).cursors
    return CursorStore(client_properties(settings.kafka), topic, lambda: 1, timeout=timeout)


def test_a_topic_just_created_holds_no_cursor(settings: Settings) -> None:
    with parts_for(settings) as parts:
        assert parts.cursors.load_all() == {}
        assert parts.cursors.load("readings") is None


def test_a_topic_that_the_broker_does_not_know_is_not_one_without_cursors(settings: Settings) -> None:
    unknown = store(settings, timeout=1.0)
    with pytest.raises(DependencyError, match="Unknown topic"):
        unknown.load_all()
    with pytest.raises(DependencyError, match="Unknown topic"):
        unknown.load("readings")


def test_a_topic_that_becomes_known_while_it_is_waited_for_is_read(settings: Settings) -> None:
    topics = Topics(client_properties(settings.kafka), settings.producer)
    waited = store(settings, timeout=30.0)
    later = threading.Timer(0.5, topics.ensure_cursors, [waited.topic])
    later.start()
    try:
        assert waited.load_all() == {}
        assert topics.partitions(waited.topic) > 0
    finally:
        later.join()
