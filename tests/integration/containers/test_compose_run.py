"""All of docker-compose.yml: it becomes healthy, data flows, crashes and restarts lose none."""

import textwrap
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.daemon_process import until
from tests.integration.containers.compose_project import Project

TOTAL = 60_000
CONNECTOR = f'''
    """Counts slowly, so that there is time to kill somebody."""
    import time

    from pydantic import BaseModel

    from connectors.base import BaseConnector


    class Numbers(BaseConnector):
        name = "numbers"
        key = "n"
        cursor = "n"
        ordered = True
        schedule = "every 1h"

        class Record(BaseModel):
            n: int
            text: str

        def extract(self, since=None):
            for n in range(since or 0, {TOTAL}):
                if n % 1000 == 0:
                    time.sleep(1)
                yield {{"n": n, "text": f"number {{n}}"}}
'''

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]


def counted(project: Project) -> tuple[int, int, int]:
    """Rows, different positions in the log, different numbers; zeros while there is no table or no server."""
    query = "SELECT count(), uniqExact(_partition, _offset), uniqExact(n) FROM numbers"
    try:
        with project.clickhouse() as client:
            rows, places, numbers = client.query(query).result_rows[0]
    except (ClickHouseError, OSError):
        return 0, 0, 0
    return rows, places, numbers


def records_in_topic(project: Project, topic: str) -> int:
    """Read the topic to its end: end offsets deceive where there are transactions."""
    consumer = Consumer(
        {
            "bootstrap.servers": f"localhost:{project.ports['KAFKA_PORT']}",
            "group.id": "count",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        open_ends, records = len(partitions), 0
        while open_ends:
            message: Any = consumer.poll(30)
            assert message is not None, f"{topic}: nothing for 30 s, {open_ends} partitions not at their end"
            if message.error() is None:
                records += 1
            elif message.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the only name it has
                open_ends -= 1
        return records
    finally:
        consumer.close()


def test_crashes_and_restarts_lose_nothing(project: Project) -> None:
    connector = project.connectors / "numbers.py"
    connector.write_text(textwrap.dedent(CONNECTOR))
    connector.chmod(0o644)
    project.compose("up", "--detach", "--no-build")
    until(lambda: set(project.health().values()) == {"healthy"}, "every health check to be green", 180)

    until(lambda: counted(project)[2] > TOTAL * 0.1, "the first rows", 120)
    project.kill_inside("consumer")
    until(lambda: counted(project)[2] > TOTAL * 0.3, "rows after the consumer's crash", 120)
    project.kill_inside("producer")
    until(lambda: counted(project)[2] > TOTAL * 0.5, "rows after the producer's crash", 120)
    project.compose("restart", "--timeout", "60")
    until(lambda: counted(project)[2] == TOTAL, f"all {TOTAL} numbers", 240)

    rows, places, _ = counted(project)
    # A crash between two moves of the cursor has its records extracted, and so published, a second time.
    print(f"{TOTAL} numbers, {rows - TOTAL} of them published twice")
    assert rows == places == records_in_topic(project, "ingest.numbers")
    until(lambda: set(project.health().values()) == {"healthy"}, "every health check to be green", 120)
