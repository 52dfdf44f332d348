"""How many records each stage holds, asked of the stage itself: the producer, the topics, ClickHouse.

The sum that has to hold for a source: extracted = published + rejected, published = loaded + dead-lettered
by the consumer, and no row is there twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import httpx
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from prometheus_client.parser import text_string_to_metric_families

from runtime.kafka import client_properties
from runtime.settings import KafkaSettings
from runtime.topic_reader import read_to_end
from schemas.names import Names


@dataclass(frozen=True)
class Progress:
    """Where one source is: numbers of records, `finished` when its run has ended well."""

    extracted: int = 0
    published: int = 0
    loaded: int = 0
    finished: bool = False


@dataclass(frozen=True)
class Verdict:
    """The final count of one source; `repeated` are visible rows beyond one for each place in the log."""

    extracted: int
    published: int
    loaded: int
    dead_lettered: int
    repeated: int
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether every record is accounted for, exactly once."""
        rejected = self.extracted - self.published
        unloaded = self.published - self.loaded
        return self.extracted > 0 and self.repeated == 0 and rejected + unloaded == self.dead_lettered


def read_progress(metrics: str, client: Client, names: Names, sources: Iterable[str]) -> dict[str, Progress]:
    """Where each source is, from the producer's metrics and the tables' row counts."""
    extracted = samples(metrics, "ingest_records_extracted_total")
    published = samples(metrics, "ingest_records_published_total")
    succeeded = samples(metrics, "ingest_source_last_success_timestamp_seconds")
    return {
        source: Progress(
            extracted=int(extracted.get(source, 0)),
            published=int(published.get(source, 0)),
            loaded=_rows(client, names.log_table(source)),
            finished=succeeded.get(source, 0) > 0,
        )
        for source in sources
    }


def samples(metrics: str, name: str) -> dict[str, float]:
    """Values of one metric by its label `source`, summed over other labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == name:
                source = sample.labels.get("source", "")
                found[source] = found.get(source, 0) + sample.value
    return found


def verdict(
    source: str, progress: Progress, seconds: float, client: Client, names: Names, kafka: KafkaSettings
) -> Verdict:
    """Count one source anew: topics by reading them to their end, rows in the view that readers use."""
    topic = names.topic(source)
    view = names.view(source)
    (loaded, places), *_ = client.query(
        f"SELECT count(), uniqExact(_epoch, _partition, _offset) FROM `{view}`"  # noqa: S608 - a checked source name
    ).result_rows
    return Verdict(
        extracted=progress.extracted,
        published=count_topic(kafka, topic),
        loaded=loaded,
        dead_lettered=count_topic(kafka, names.dead_letter_topic(topic)),
        repeated=loaded - places,
        seconds=round(seconds, 2),
    )


def count_topic(kafka: KafkaSettings, topic: str) -> int:
    """Number of records that a committed reader meets in `topic`; 0 if there is no such topic."""
    properties = client_properties(kafka, **{"group.id": "ingest-demo-count"})
    return sum(1 for _ in read_to_end(properties, topic))


def _rows(client: Client, table: str) -> int:
    """Rows written so far; 0 while there is no table yet or ClickHouse does not answer."""
    query = (
        "SELECT sum(rows) FROM system.parts "
        "WHERE active AND database = currentDatabase() AND table = {table:String}"
    )
    try:
        return int(client.query(query, parameters={"table": table}).result_rows[0][0])
    except (ClickHouseError, httpx.HTTPError):
        return 0
