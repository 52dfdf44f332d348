from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from consumer.joining import Joining
from runtime.settings import KafkaSettings

PATTERN = r"^ingest\.[^.]+$"


class FakeAdmin:
    def __init__(self, *topics: str, away: bool = False) -> None:
        self._topics = topics
        self._away = away

    def list_topics(self, timeout: float) -> Any:
        if self._away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))  # noqa: SLF001 - librdkafka's public name
        return SimpleNamespace(topics=dict.fromkeys(self._topics))


def _admin(*topics: str, away: bool = False) -> AdminClient:
    return cast("AdminClient", FakeAdmin(*topics, away=away))


def _joining(admin: AdminClient, **properties: str) -> Joining:
    return Joining(KafkaSettings(properties=dict(properties)), admin, PATTERN)


def _said(joining: Joining) -> list[str]:
    with structlog.testing.capture_logs() as lines:
        joining.say()
    return [line["waiting_for"] for line in lines]


def test_the_successor_of_a_killed_loader_says_how_long_the_group_may_take() -> None:
    assert _said(_joining(_admin("ingest.weather"))) == [
        "partitions: the group still counts a member that has gone; at most session.timeout.ms=45000"
    ]


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"session.timeout.ms": "9000"}, "session.timeout.ms=9000"),
        ({"group.protocol": "consumer"}, "the broker's group.consumer.session.timeout.ms"),
    ],
)
def test_the_time_out_is_the_one_that_holds(properties: dict[str, str], words: str) -> None:
    [said] = _said(_joining(_admin("ingest.weather"), **properties))
    assert said.endswith(f"at most {words}")


def test_without_topics_no_member_is_blamed() -> None:
    assert _said(_joining(_admin("other.weather", "ingest.weather.dlq"))) == [
        f"partitions: no topic matches {PATTERN} yet"
    ]


def test_nothing_is_said_after_an_answer_or_of_a_broker_that_is_away() -> None:
    assert _said(_joining(_admin(away=True))) == []
    joining = _joining(_admin("ingest.weather"))
    joining.end()
    assert _said(joining) == []
