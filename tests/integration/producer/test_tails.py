"""From where on a run knows its topics again: far enough back, and no farther than it must."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from connectors import Checkpoint
from producer.positions import Position
from producer.resume import tail_starts
from runtime.kafka import client_properties
from runtime.settings import Settings
from schemas.names import Names
from schemas.records import JobPayload
from tests.integration.producer.support import ids, parts_for, reading, run, yielding
from tests.integration.producer.test_checkpoints import Pages, accounts, begin, cut_short, failing_run, moment

STATE: dict[str, Any] = {"cursor": None, "State": Pages}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Checkpoints of five records: a run has several."""
    producer = settings.producer.model_copy(update={"checkpoint_records": 5, "slice_records": 5})
    return settings.model_copy(update={"producer": producer})


def position_of(settings: Settings) -> Position:
    with parts_for(settings) as parts:
        position = parts.cursors.load("readings")
    assert position is not None
    return position


def test_a_source_that_gives_the_newest_first_does_not_read_its_whole_topic(settings: Settings) -> None:
    def items(last: int, since: Any) -> Iterator[Any]:
        return (reading(number) for number in range(last, begin(since) - 1, -1))

    for last in (20, 40, 60, 80):
        run(settings, yielding(partial(items, last)))
    assert ids(settings) == list(range(81))
    position, connector = position_of(settings), yielding(lambda since: iter(()))
    starts = tail_starts(position, connector.parse_since(position.cursor), connector.parse_since)
    assert starts is not None
    [records] = [ends for topic, ends in starts.items() if topic.endswith("readings")]
    assert sum(records.values()) > 40


def test_what_follows_the_last_checkpoint_of_a_whole_run_is_known_again(settings: Settings) -> None:
    """The last page is still open: it has no checkpoint yet, and comes again as long as it grows."""

    def pages(last: int, since: Pages | None) -> Iterator[Any]:
        done = since.pages["a"] if since else 0
        for number in range(done * 10, last):
            yield reading(number)
            if number % 10 == 9:
                yield Checkpoint(Pages(pages={"a": number // 10 + 1}))

    for last in (5, 15, 15, 17, 25, 25):
        run(settings, yielding(partial(pages, last), **STATE))
    assert ids(settings) == list(range(25))


def test_what_no_run_meets_again_is_not_looked_for_for_ever(settings: Settings) -> None:
    failing_run(settings, partial(accounts, 1, ("b", 5)), **STATE)
    failing_run(settings, partial(accounts, 2, ("b", 0)), **STATE)
    for last in (2, 3, 4):
        run(settings, yielding(partial(accounts, last, None), **STATE))
    assert ids(settings) == [*range(40), *range(100, 110)]
    [records] = [ends for topic, ends in position_of(settings).ends.items() if topic.endswith("readings")]
    assert sum(records.values()) >= 50


def test_a_state_that_is_declared_later_finds_what_came_before_it(settings: Settings) -> None:
    run(settings, yielding(lambda since: iter([reading(1), reading(2)]), cursor=None))
    checkpoint = Checkpoint(Pages(pages={"a": 1}))
    failing_run(settings, lambda since: cut_short(reading(1), checkpoint), **STATE)
    run(settings, yielding(lambda since: iter([reading(2)]), **STATE))
    assert ids(settings) == [1, 2]


def test_a_since_given_before_there_was_a_cursor_finds_what_is_there(settings: Settings) -> None:
    run(settings, yielding(lambda since: iter([reading(1), reading(2)]), cursor=None))
    given = JobPayload(source="readings", since=moment(2).isoformat())
    run(settings, yielding(lambda since: iter([reading(2), reading(3)])), given)
    assert ids(settings) == [1, 2, 3]


def test_offsets_of_a_topic_that_was_made_anew_are_not_believed(settings: Settings) -> None:
    def numbers(first: int, since: Any) -> Iterator[Any]:
        return map(reading, range(first, first + 10))

    for first in (0, 10, 20):
        run(settings, yielding(partial(numbers, first)))
    names, admin = Names(settings.topic_prefix), AdminClient(client_properties(settings.kafka))
    topic = names.topic("readings")
    admin.delete_topics([topic])[topic].result()
    deadline = time.monotonic() + 20
    while topic in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    # The newest one stands at the start, where old marks do not look for it.
    run(settings, yielding(lambda since: iter([reading(60), *map(reading, range(29, 60))])))
    run(settings, yielding(lambda since: iter([reading(60), reading(61)])))
    assert ids(settings) == list(range(29, 62))
