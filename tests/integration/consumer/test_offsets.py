"""What a loader does with offsets that are not what it left: gaps, topics made anew."""

import json
from collections.abc import Callable

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from runtime.kafka import client_properties
from runtime.settings import Settings
from tests.daemon_process import until
from tests.integration.consumer.conftest import LoaderThread, Source, Warehouse

Sources = Callable[..., Source]
Loaders = Callable[..., LoaderThread]


@pytest.fixture
def admin(settings: Settings) -> AdminClient:
    return AdminClient(client_properties(settings.kafka))


@pytest.mark.requires_kafka
def test_a_commit_says_of_which_topic_and_generation(
    source: Sources, loader: Loaders, warehouse: Warehouse, settings: Settings, admin: AdminClient
) -> None:
    weather = source("weather").create(1)
    weather.publish(range(10))
    running = loader()
    until(lambda: warehouse.count("weather") == 10, "10 rows")
    running.stop()
    (future,) = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(settings.consumer.group)]
    ).values()
    (commit,) = future.result().topic_partitions
    said = json.loads(commit.metadata or "")
    assert (commit.offset, said["offset"], said["generation"]) == (10, 10, 1)
    assert len(said["topic_id"]) == 22


@pytest.mark.requires_kafka
def test_records_gone_from_the_log_stop_the_partition_and_no_other(
    source: Sources,
    loader: Loaders,
    warehouse: Warehouse,
    admin: AdminClient,
    capfd: pytest.CaptureFixture[str],
) -> None:
    weather = source("weather").create(2)
    for number in range(10):
        weather.send(weather.value(weather.record(number)), partition=number % 2)
    weather.flush()
    first = loader()
    until(lambda: warehouse.count("weather") == 10, "10 rows")
    first.stop()
    for number in range(10, 20):
        weather.send(weather.value(weather.record(number)), partition=number % 2)
    weather.flush()
    # The retention of partition 0 runs past what was loaded: 10 and 12 are gone before anyone read them.
    for future in admin.delete_records([TopicPartition(weather.topic, 0, 7)]).values():
        future.result(timeout=30)
    loader()
    until(lambda: warehouse.count("weather") == 15, "the rows of partition 1")
    said = ""

    def heard() -> bool:
        nonlocal said
        said += capfd.readouterr().out
        return "partition_stopped" in said

    until(heard, "words about the gap")
    assert warehouse.rows("SELECT _partition, count() FROM weather GROUP BY 1 ORDER BY 1") == [
        (0, 5),
        (1, 10),
    ]


@pytest.mark.requires_kafka
@pytest.mark.timeout(180)
def test_a_topic_made_anew_is_loaded_beside_the_old_rows(
    source: Sources, loader: Loaders, warehouse: Warehouse, admin: AdminClient
) -> None:
    weather = source("weather").create(1)
    weather.publish(range(10))
    first = loader()
    until(lambda: warehouse.count("weather") == 10, "10 rows")
    first.stop()
    for future in admin.delete_topics([weather.topic]).values():
        future.result(timeout=30)
    until(lambda: weather.topic not in admin.list_topics(timeout=10).topics, "the topic's end")
    weather.create(1)
    weather.publish(range(100, 130))
    loader()
    until(lambda: warehouse.count("weather") == 40, "old and new rows")
    assert warehouse.numbers("weather") == [*range(10), *range(100, 130)]
    assert warehouse.rows("SELECT uniqExact(_epoch) FROM weather") == [(2,)]


def test_offsets_set_back_load_again_and_show_nothing_twice(
    source: Sources, loader: Loaders, warehouse: Warehouse, settings: Settings, admin: AdminClient
) -> None:
    """What stock tools do to a stopped group; rows that were removed meanwhile are back."""
    weather = source("weather").create(2)
    weather.publish(range(200))
    first = loader()
    until(lambda: warehouse.count("weather") == 200, "200 rows")
    first.stop()
    warehouse.client.command("DELETE FROM weather__log WHERE n % 3 = 0")
    assert warehouse.count("weather") < 200
    back = [TopicPartition(weather.topic, partition, 0) for partition in range(2)]
    for future in admin.alter_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(settings.consumer.group, back)]
    ).values():
        future.result(timeout=30)
    loader()
    until(lambda: warehouse.count("weather") == 200, "all rows again")
    assert warehouse.numbers("weather") == list(range(200))
