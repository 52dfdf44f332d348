"""An operator loads a topic again by resetting the group's offsets."""

from collections.abc import Callable
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from runtime.kafka import client_properties
from runtime.settings import Settings
from schemas.names import Names
from tests.daemon_process import DaemonProcess, until
from tests.e2e.conftest import Rows
from tests.e2e.test_new_source import GOOD

PLACES = "SELECT count(), uniqExact(_partition, _offset), sum(id) FROM quakes"
WRITTEN = 'ingest_rows_inserted_total{table="quakes__log"}'


def reset_to_start(settings: Settings, topic: str) -> None:
    """What `kafka-consumer-groups --reset-offsets --to-earliest --execute` sends to the broker."""
    admin = AdminClient(client_properties(settings.kafka))
    partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
    group = ConsumerGroupTopicPartitions(
        settings.consumer.group, [TopicPartition(topic, partition, 0) for partition in partitions]
    )
    (answer,) = admin.alter_consumer_group_offsets([group]).values()
    assert [
        partition.error for partition in answer.result(10).topic_partitions if partition.error is not None
    ] == []


def test_resetting_a_stopped_group_writes_the_rows_again_and_doubles_none(
    folder: Path,
    producer: DaemonProcess,
    consumer: DaemonProcess,
    settings: Settings,
    loaded: Callable[[str, int], None],
    rows: Rows,
) -> None:
    (folder / "quakes.py").write_text(GOOD, encoding="utf-8")
    topic = Names(settings.topic_prefix).topic("quakes")
    producer.start()
    consumer.start()
    loaded("quakes", 1000)
    assert producer.end() == 0

    assert consumer.end() == 0
    reset_to_start(settings, topic)
    consumer.start()
    until(
        lambda: consumer.metric(WRITTEN) >= 1000,
        f"all rows are written again, not {consumer.metric(WRITTEN)}",
    )
    assert rows(PLACES) == [(1000, 1000, 500500)]
