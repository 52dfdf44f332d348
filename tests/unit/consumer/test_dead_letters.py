"""The dead letter topic, with fakes for the broker."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast

import pytest

from consumer.dead_letters import DeadLetters
from consumer.errors import BrokerAwayError
from consumer.letters import Letter
from schemas.names import Names

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient


class FakeAdmin:
    def __init__(self) -> None:
        self.created: list[str] = []

    def create_topics(self, topics: Sequence[Any], **_rest: Any) -> dict[str, Future[None]]:
        self.created += [topic.topic for topic in topics]
        done: Future[None] = Future()
        done.set_result(None)
        return {topic.topic: done for topic in topics}


class Undelivered(DeadLetters):
    """Fails as often as it is told."""

    failures = 1

    def _deliver(self, letters: Sequence[Letter]) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise BrokerAwayError("unknown topic")


def test_a_dead_letter_topic_that_takes_nothing_is_made_again() -> None:
    """It was deleted, for example; remembered as made it would hold up its topic until a restart."""
    admin = FakeAdmin()
    letters = Undelivered({}, cast("AdminClient", admin), Names())
    letter = Letter("ingest.weather", "id", 0, 1, 0, 0, None, b"x", [], "not_framed", "")
    with pytest.raises(BrokerAwayError):
        letters.send([letter])
    letters.send([letter])
    letters.send([letter])
    assert admin.created == ["ingest.weather.dlq"] * 2
