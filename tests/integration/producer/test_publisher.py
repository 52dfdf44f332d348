"""The publisher against a broker: a checkpoint is there as a whole, once, or not at all."""

import os
import threading
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported, but not for type checkers
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from producer.dead_letters import Letter
from producer.errors import PublishAbandonedError, PublisherFencedError, PublishFailedError
from producer.waiting import Waiting
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

NOWHERE = load_settings({"kafka": {"bootstrap_servers": "127.0.0.1:1"}}, env={})


def test_records_dead_letters_ledger_and_position_are_there_together(settings: Settings) -> None:
    target = target_of(settings)
    letters = [Letter(b"{}", [("reason", b"validation")])]
    with publishing(settings, target) as publisher:
        assert publisher.take_over() is None
        closed = publisher.publish(checkpoint_of(batch(1000), letters), closing())
        assert closed.ends[target.topic].keys() == set(range(len(closed.ends[target.topic])))
        publisher.publish(checkpoint_of(batch(1000, first=1000)), closing(number=2))
    assert len(messages(settings, target.topic)) == 2000
    [letter] = messages(settings, target.dead_letter_topic)
    assert letter.headers() == [("reason", b"validation")]
    assert [one.value() for one in messages(settings, target.ledger_topic)] == [
        b"entry 1",
        b"entry 2",
    ]
    assert store_of(settings).load("weather") == closing(number=2)({}).position


def test_a_checkpoint_larger_than_the_queue_is_published_whole(settings: Settings) -> None:
    target = target_of(settings)
    small: dict[str, Any] = {"queue.buffering.max.kbytes": 1024}
    with publishing(settings, target, **small) as publisher:
        publisher.publish(checkpoint_of(batch(10_000, size=2000)), closing())
    assert len(messages(settings, target.topic)) == 10_000


def test_nobody_answers_and_abandoning_says_so_and_is_quick(settings: Settings) -> None:
    target, changes = target_of(settings), list[bool]()
    abandon = threading.Event()
    abandon.set()
    waiting = Waiting("the broker", on_change=changes.append, quiet=0)

    def in_vain() -> None:
        with publishing(settings, target, abandon=abandon, waiting=waiting, through=NOWHERE) as publisher:
            publisher.publish(checkpoint_of(batch(10)), closing())

    with pytest.raises(PublishAbandonedError, match="stopped with"):
        in_vain()
    assert changes in ([], [True, False])
    assert store_of(settings).load("weather") is None


@pytest.mark.requires_kafka
def test_a_refusal_by_the_broker_fails_the_run_and_publishes_nothing(settings: Settings) -> None:
    target = target_of(settings)
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    smaller = ConfigEntry("max.message.bytes", "2000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, target.topic, incremental_configs=[smaller])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)
    large = [{"key": b"1", "value": os.urandom(3000)}, *batch(5)]
    with (
        publishing(settings, target) as publisher,
        pytest.raises(PublishFailedError, match="too large"),
    ):
        publisher.publish(checkpoint_of(large), closing())
    assert messages(settings, target.topic) == []
    assert store_of(settings).load("weather") is None
    assert target_of(settings).topic_bytes == 2000


@pytest.mark.requires_kafka
def test_the_newer_publisher_fences_the_older_which_names_it(settings: Settings) -> None:
    """P8: the older one publishes nothing more, also not what it had begun."""
    target = target_of(settings)
    with publishing(settings, target) as older, publishing(settings, target) as newer:
        older.take_over()
        older.publish(checkpoint_of(batch(1)), closing())
        assert newer.take_over() == closing()({}).position
        newer.publish(checkpoint_of(batch(1, first=1)), closing(run_id="r2", writer="there:2"))
        with pytest.raises(PublisherFencedError, match="of the source: there:2, run r2"):
            older.publish(checkpoint_of(batch(1, first=2)), closing(number=2))
        newer.publish(checkpoint_of(batch(1, first=3)), closing(number=2, run_id="r2", writer="there:2"))
    assert sorted(one.key() or b"" for one in messages(settings, target.topic)) == [b"0", b"1", b"3"]


@pytest.mark.requires_kafka
@pytest.mark.parametrize(
    ("writes", "word"), [(True, "of the source: there:2, run r2"), (False, "nobody knows")]
)
def test_a_fenced_publisher_waits_a_while_for_the_name_of_its_successor(
    settings: Settings, writes: bool, word: str
) -> None:
    target = target_of(settings)
    with publishing(settings, target) as newer:

        def first_checkpoint(seconds: float) -> None:
            if writes:
                newer.publish(checkpoint_of(batch(1)), closing(run_id="r2", writer="there:2"))

        with publishing(settings, target, sleep=first_checkpoint) as older:
            older.take_over()
            newer.take_over()
            with pytest.raises(PublisherFencedError, match=word):
                older.publish(checkpoint_of(batch(1, first=1)), closing())


def test_who_does_not_own_the_source_fences_nobody(settings: Settings) -> None:
    target = target_of(settings)
    with (
        publishing(settings, target) as owner,
        publishing(settings, target, owned=lambda: False) as stranger,
    ):
        owner.take_over()
        with pytest.raises(PublisherFencedError, match="belongs to another"):
            stranger.take_over()
        owner.publish(checkpoint_of(batch(1)), closing())
    assert len(messages(settings, target.topic)) == 1
