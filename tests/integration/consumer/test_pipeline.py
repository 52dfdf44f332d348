"""From topics to tables: everything arrives, once, and commits say so."""

from collections.abc import Callable

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from runtime.kafka import client_properties
from runtime.settings import Settings
from tests.daemon_process import until
from tests.integration.consumer.conftest import LoaderThread, Source, Warehouse

Sources = Callable[..., Source]
Loaders = Callable[..., LoaderThread]


def committed(settings: Settings) -> dict[tuple[str, int], int]:
    """What the group has committed."""
    admin = AdminClient(client_properties(settings.kafka))
    (future,) = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(settings.consumer.group)]
    ).values()
    return {(one.topic, one.partition): one.offset for one in future.result().topic_partitions}


def test_every_record_is_visible_once_and_committed(
    source: Sources, loader: Loaders, warehouse: Warehouse, settings: Settings
) -> None:
    weather = source("weather").create(2)
    weather.publish(range(5000))
    running = loader()
    until(lambda: warehouse.count("weather") == 5000, "5000 rows")
    assert warehouse.rows("SELECT _id, _source, n, text FROM weather ORDER BY n") == [
        (f"id-{n}", "weather", n, f"text {n}") for n in range(5000)
    ]
    assert running.stop() == 0
    offsets = dict(warehouse.rows("SELECT _partition, max(_offset) FROM weather GROUP BY 1"))
    assert committed(settings) == {
        (weather.topic, partition): last + 1 for partition, last in offsets.items()
    }


def test_a_restart_goes_on_where_it_was(source: Sources, loader: Loaders, warehouse: Warehouse) -> None:
    weather = source("weather").create()
    weather.publish(range(100))
    first = loader()
    until(lambda: warehouse.count("weather") == 100, "the first 100 rows")
    first.stop()
    weather.publish(range(100, 250))
    loader()
    until(lambda: warehouse.count("weather") == 250, "250 rows")
    assert warehouse.rows("SELECT count() FROM weather__log") == [(250,)]


def test_a_new_topic_is_found_while_running(source: Sources, loader: Loaders, warehouse: Warehouse) -> None:
    source("weather").create().publish(range(10))
    loader()
    until(lambda: warehouse.count("weather") == 10, "rows of the first topic")
    flights = source("flights").create()
    flights.publish(range(20))
    until(lambda: warehouse.count("flights") == 20, "rows of the topic made meanwhile", seconds=30)


# On Tansu a member that joined beside another gets no partitions when that one leaves, with any client.
@pytest.mark.requires_kafka
def test_two_loaders_share_the_work_and_hand_it_over(
    source: Sources, loader: Loaders, warehouse: Warehouse
) -> None:
    weather = source("weather").create(4)
    weather.publish(range(2000))
    first = loader()
    until(lambda: warehouse.count("weather") > 0, "the first rows")
    loader()
    weather.publish(range(2000, 4000))
    until(lambda: warehouse.count("weather") == 4000, "4000 rows")
    first.stop()
    weather.publish(range(4000, 5000))
    until(lambda: warehouse.count("weather") == 5000, "5000 rows by the one that is left")
    assert warehouse.numbers("weather") == list(range(5000))


def test_dead_letters_and_system_topics_are_no_sources(
    source: Sources, loader: Loaders, warehouse: Warehouse, settings: Settings
) -> None:
    """Topics that hold something else: nobody makes tables of them."""
    odd = source("odd")
    for topic in (f"{odd.topic}.dlq", f"_{settings.topic_prefix}.jobs", f"{settings.topic_prefix}x.weather"):
        other = source("odd")
        other.topic = topic
        other.create(1)
        other.publish(range(3))
    source("weather").create().publish(range(5))
    loader()
    until(lambda: warehouse.count("weather") == 5, "rows of the only source")
    assert warehouse.rows(
        f"SELECT name FROM system.tables WHERE database = '{warehouse.database}' ORDER BY 1"
    ) == [
        ("weather",),
        ("weather__log",),
    ]


def test_a_quiet_topic_makes_few_parts(source: Sources, loader: Loaders, warehouse: Warehouse) -> None:
    """All partitions of a topic share an insert."""
    weather = source("weather").create(8)
    weather.publish(range(400))
    loader()
    until(lambda: warehouse.count("weather") == 400, "400 rows")
    parts = warehouse.rows(
        "SELECT count() FROM system.parts WHERE active AND table = 'weather__log' "
        f"AND database = '{warehouse.database}'"
    )
    assert parts[0][0] <= 4
