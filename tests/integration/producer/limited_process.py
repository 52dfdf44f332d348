"""A process that asks an upstream as often as it may, until it is killed: `python limited_process.py …`.

It has what the daemon has for it: a limiter with its store, a lease, and a client under both.
"""

import sys
import time

from connectors import QuotaExhaustedError, http_client
from connectors.http import governed_by
from producer.lease import TimedLease
from producer.limiter import RateLimiter
from producer.limits.store import LimitsStore
from producer.topics import Topics
from runtime.kafka import client_properties
from runtime.settings import load_settings
from schemas.names import Names


def main(url: str, lease_seconds: str, *limits: str) -> None:
    """Ask `url` for ever. The lease is proven between requests only."""
    settings = load_settings()
    topic = Names(settings.topic_prefix).limits
    topics = Topics(client_properties(settings.kafka), settings.producer)
    reader = client_properties(settings.kafka, **{"group.id": "ingest-limits", "fetch.wait.max.ms": 10})
    lease = TimedLease("prices", float(lease_seconds))
    lease.grant()
    with LimitsStore(
        client_properties(settings.kafka), reader, topic, lambda: topics.partitions(topic)
    ) as store:
        limiter = RateLimiter({}, requests={"prices": limits}, store=store)
        limiter.acquire("prices")
        with governed_by(lease=lease, budget=limiter.budget("prices")), http_client(patience=5.0) as client:
            while True:
                asked_at = lease.moment()
                if lease.valid:
                    lease.grant(asked_at)
                try:
                    client.get(url)
                except QuotaExhaustedError as exhausted:
                    time.sleep(min(exhausted.retry_after or 0.0, 1.0))


if __name__ == "__main__":
    main(*sys.argv[1:])
