"""What the producer counts, under the names that dashboards and alerts rely on."""

from prometheus_client import Counter, Gauge, Histogram

EXTRACTED = Counter("ingest_records_extracted", "Items that connectors yielded", ["source"])
PUBLISHED = Counter("ingest_records_published", "Records in committed transactions", ["source", "topic"])
DEDUPLICATED = Counter(
    "ingest_records_deduplicated", "Items left out because they are in the topic already", ["source"]
)
COMMIT_SECONDS = Histogram(
    "ingest_checkpoint_duration_seconds",
    "Time of a checkpoint, from the begin of its transaction to the commit",
    ["source"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
REJECTED = Counter("ingest_records_rejected", "Items written to a dead letter topic", ["source", "reason"])
RUN_SECONDS = Histogram(
    "ingest_run_duration_seconds",
    "Time of a run, from its start to its last acknowledgement or its failure",
    ["source"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600),
)
LAST_SUCCESS = Gauge(
    "ingest_source_last_success_timestamp_seconds",
    "When a run last reached the end of its source",
    ["source"],
)
STATE = Gauge(
    "ingest_source_state", "1 for the state of a source that this producer runs, else 0", ["source", "state"]
)
RETRIES = Counter("ingest_retries", "Jobs put back after a failure", ["source"])
LIMITED = Counter("ingest_rate_limited", "Jobs put back by a rate limit", ["source"])
WAITING = Gauge(
    "ingest_publish_waiting", "1 while acknowledgements of a run have not come for long", ["source"]
)
QUARANTINED = Gauge(
    "ingest_connectors_quarantined", "Connector files, classes or entry points that cannot run"
)
