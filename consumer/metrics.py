"""What the loader counts, in Prometheus' terms. Labels are topics, tables, partitions and few reasons."""

from prometheus_client import Counter, Gauge, Histogram

ROWS = Counter("ingest_rows_inserted", "Rows that ClickHouse acknowledged", ["table"])
INSERTS = Histogram(
    "ingest_insert_duration_seconds",
    "How long an insert took, from sending to its answer",
    ["table"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 120),
)
BATCH_ROWS = Histogram(
    "ingest_batch_rows",
    "Rows of an insert",
    ["table"],
    buckets=(1, 10, 100, 1000, 10_000, 50_000, 100_000, 200_000, 1_000_000),
)
DEAD_LETTERS = Counter("ingest_dead_letters", "Records that could not be loaded", ["topic", "reason"])
RETRIES = Counter("ingest_load_retries", "Attempts at a batch that must be made again", ["topic"])
REFUSED = Counter("ingest_batches_refused", "Batches that ClickHouse refused over a record", ["topic"])
LAG = Gauge(
    "ingest_lag_records",
    "Offsets from the first that is neither loaded nor dead-lettered to the end that the reader knows",
    ["topic", "partition"],
)
WAITING = Gauge("ingest_topic_waiting", "1 while a topic waits for something or someone", ["topic"])
PAUSED = Gauge("ingest_topic_paused", "1 while nothing is fetched because much is unloaded", ["topic"])
STOPPED = Gauge("ingest_partition_stopped", "1 while a partition stands still", ["topic", "partition"])
UNLOADED = Gauge("ingest_unloaded_bytes", "Bytes of records that are read and not yet loaded")
