"""The daemon as a process: schedules, isolation, drain, crashes, and dependencies that are away."""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from devstack.stack import DevStack
from runtime.settings import Settings, load_settings
from tests.integration.producer.conftest import StartProducer, free_port
from tests.integration.producer.support import (
    NOON,
    ProducerProcess,
    dead_letters,
    ids,
    rest_builtin_sources,
    until,
    write_connector,
)

MANY = """
for number in range(30_000):
    yield {"id": number, "at": NOON + timedelta(seconds=number)}
    if number % 1000 == 999:
        time.sleep(0.1)
"""
FOREVER = """
number = 0
while True:
    yield {"id": number, "at": NOON + timedelta(seconds=number)}
    number += 1
    time.sleep(0.001)
"""


def terminate(producer: ProducerProcess) -> int:
    """SIGTERM; the exit code."""
    producer.process.terminate()
    return producer.process.wait(60)


def state(producer: ProducerProcess, source: str, word: str) -> bool:
    return producer.metric(f'ingest_source_state{{source="{source}",state="{word}"}}') == 1.0


def test_sources_run_at_the_start_and_sigterm_ends_with_0(
    settings: Settings, tmp_path: Path, start_producer: StartProducer
) -> None:
    write_connector(tmp_path, "readings", 'yield from ({"id": n, "at": NOON} for n in range(100))')
    producer = start_producer(tmp_path)
    until(lambda: len(producer.events("run_ended", source="readings")) == 1, what="the first run's end")
    assert producer.status("/livez") == 200
    assert producer.status("/readyz") == 200
    topic = f"{settings.topic_prefix}.readings"
    assert producer.metric('ingest_records_extracted_total{source="readings"}') == 100
    assert producer.metric(f'ingest_records_published_total{{source="readings",topic="{topic}"}}') == 100
    assert producer.metric('ingest_run_duration_seconds_count{source="readings"}') == 1
    assert state(producer, "readings", "SCHEDULED")
    assert (producer.metric('ingest_source_last_success_timestamp_seconds{source="readings"}') or 0) > 1e9
    assert terminate(producer) == 0
    assert ids(settings) == list(range(100))


def test_sigterm_in_mid_run_ends_with_0_and_what_was_acknowledged_counts(
    settings: Settings, tmp_path: Path, start_producer: StartProducer
) -> None:
    write_connector(tmp_path, "readings", FOREVER, declared=['cursor = "at"', "ordered = True"])
    producer = start_producer(tmp_path)
    until(lambda: len(ids(settings)) > 500, what="500 records")
    assert terminate(producer) == 0
    [ended] = producer.events("run_ended", source="readings")
    assert ended["completed"] is False
    found = ids(settings)
    assert found == list(range(len(found)))
    assert ended["published"] == len(found)
    assert datetime.fromisoformat(ended["cursor"]) == NOON + timedelta(seconds=found[-1])


def test_a_generator_that_never_comes_back_does_not_hold_up_the_end(
    settings: Settings, tmp_path: Path, start_producer: StartProducer
) -> None:
    write_connector(tmp_path, "stuck", 'yield {"id": 1, "at": NOON}\ntime.sleep(3600)')
    write_connector(tmp_path, "readings", 'yield {"id": 1, "at": NOON}')
    producer = start_producer(tmp_path)
    until(lambda: len(producer.events("run_ended", source="readings")) == 1, what="the other source's run")
    until(lambda: len(ids(settings, "stuck")) == 1, what="the first record of the one that hangs")
    assert terminate(producer) == 0
    assert producer.events("generator_left_behind", source="stuck")


def test_kill_9_in_mid_run_and_a_restart_lose_nothing(
    settings: Settings, tmp_path: Path, start_producer: StartProducer
) -> None:
    write_connector(tmp_path, "readings", MANY, declared=['cursor = "at"'])
    producer = start_producer(tmp_path)
    for _ in range(2):
        enough = len(ids(settings)) + 3000
        until(lambda: len(ids(settings)) > enough, what="3000 more records")  # noqa: B023 - called at once
        producer.process.kill()
        producer.start()
    until(lambda: bool(producer.events("run_ended", source="readings", completed=True)), what="a whole run")
    assert terminate(producer) == 0
    assert set(ids(settings)) == set(range(30_000))


def test_an_ordered_source_goes_on_after_kill_9_where_its_checkpoint_was(
    settings: Settings, tmp_path: Path, start_producer: StartProducer
) -> None:
    body = """
start = 0 if since is None else int((since - NOON).total_seconds())
yield from ({"id": number, "at": NOON + timedelta(seconds=number)} for number in range(start, 150_000))
if since is None:
    time.sleep(3600)
"""
    write_connector(tmp_path, "readings", body, declared=['cursor = "at"', "ordered = True"])
    producer = start_producer(tmp_path)
    topic = f"{settings.topic_prefix}.readings"
    published = f'ingest_records_published_total{{source="readings",topic="{topic}"}}'
    until(lambda: producer.metric(published) == 150_000, what="all records of the first life")
    producer.process.kill()
    producer.start()
    until(lambda: bool(producer.events("run_ended", source="readings", completed=True)), what="the end")
    assert producer.events("run_started", source="readings")[-1]["since"] is not None
    assert terminate(producer) == 0
    found = Counter(ids(settings))
    assert set(found) == set(range(150_000))
    # The checkpoint of the first life came after 100,000 records: those before it are not extracted again.
    assert max(found[number] for number in range(99_000)) == 1


def test_no_source_hurts_another(settings: Settings, tmp_path: Path, start_producer: StartProducer) -> None:
    write_connector(tmp_path, "raising", 'yield {"id": 1, "at": NOON}\nraise ValueError("half a page")')
    write_connector(tmp_path, "leaving", 'yield {"id": 1, "at": NOON}\nsys.exit("goodbye")')
    write_connector(tmp_path, "garbage", 'yield from [None, 5, "x", object()]')
    write_connector(tmp_path, "nothing", "return None\nyield")
    write_connector(tmp_path, "blocking", "time.sleep(3600)\nyield")
    write_connector(tmp_path, "readings", 'yield {"id": 1, "at": NOON}')
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    producer = start_producer(tmp_path)
    until(
        lambda: all(
            state(producer, source, word)
            for source, word in {
                "raising": "RETRYING",
                "leaving": "RETRYING",
                "garbage": "SCHEDULED",
                "nothing": "SCHEDULED",
                "blocking": "RUNNING",
                "readings": "SCHEDULED",
            }.items()
        ),
        what="each source's state",
    )
    assert producer.status("/readyz") == 200
    assert ids(settings, "readings") == ids(settings, "raising") == ids(settings, "leaving") == [1]
    assert len(dead_letters(settings, "garbage")) == 4
    [quarantined] = producer.events("connector_quarantined")
    assert quarantined["origin"].endswith("broken.py")
    assert "no_such_module" in quarantined["cause"]
    until(
        lambda: (producer.metric('ingest_retries_total{source="raising"}') or 0) >= 2, what="a second attempt"
    )
    assert terminate(producer) == 0


def test_ticks_come_by_the_schedule_until_the_rate_limit_puts_a_job_back(
    settings: Settings, tmp_path: Path, start_producer: StartProducer
) -> None:
    declared = ['schedule = "every 1s"', 'rate_limit = "3/hour"']
    write_connector(
        tmp_path, "ticking", 'yield {"id": int(time.time() * 1e6), "at": NOON}', declared=declared
    )
    producer = start_producer(tmp_path)
    until(lambda: state(producer, "ticking", "LIMITED"), what="the limit")
    assert len(producer.events("run_ended", source="ticking")) == 3
    assert producer.metric('ingest_rate_limited_total{source="ticking"}') == 1
    assert producer.status("/readyz") == 200
    assert terminate(producer) == 0
    assert len(ids(settings, "ticking")) == 3


def test_a_taken_port_and_an_unknown_setting_refuse_the_start(
    settings: Settings, tmp_path: Path, start_producer: StartProducer
) -> None:
    write_connector(tmp_path, "readings", 'yield {"id": 1, "at": NOON}')
    first = start_producer(tmp_path)
    until(lambda: first.status("/livez") == 200, what="the first daemon's start")
    other = tmp_path / "other"
    other.mkdir()
    second = ProducerProcess(settings, other, int(first.url.rpartition(":")[2]), {})
    second.start()
    assert second.process.wait(60) == 4
    assert "INGEST_HTTP__PORT" in second.log.read_text()
    third = ProducerProcess(settings, other, free_port(), {"INGEST_PRODUCER__SLICE_RECORD": "5"})
    third.start()
    assert third.process.wait(60) == 3
    assert "slice_records" in third.log.read_text().lower()
    assert terminate(first) == 0


@pytest.mark.requires_kafka
def test_registry_and_broker_absent_at_the_start_then_the_broker_lost_in_mid_run(tmp_path: Path) -> None:
    """On a stack of its own, as it takes the parts away; the broker must keep its data, as Tansu does not."""
    write_connector(tmp_path, "readings", MANY, declared=['cursor = "at"'])
    with DevStack(tmp_path / "stack", upstream=False) as servers:
        environment = servers.environment()
        own = load_settings({"topic_prefix": "outage", "producer": {"topic_partitions": 3}}, env=environment)
        rest_builtin_sources(own)
        servers.registry.kill()
        servers.broker.kill()
        producer = ProducerProcess(own, tmp_path, free_port(), environment)
        producer.start()
        try:
            until(lambda: bool(producer.events("waiting")), what="a word about the broker")
            assert "the broker at" in producer.events("waiting")[0]["waiting_for"]
            assert producer.status("/readyz") == 503
            assert producer.status("/livez") == 200
            servers.broker.start()
            until(
                lambda: any("registry" in line["waiting_for"] for line in producer.events("waiting")),
                what="a word about the registry",
            )
            assert producer.status("/readyz") == 503
            servers.registry.start()
            until(lambda: len(ids(own)) > 3000, what="3000 records")
            assert producer.status("/readyz") == 200

            servers.broker.kill()
            until(lambda: producer.status("/readyz") == 503, what="unready")
            until(
                lambda: any("acknowledgements" in line["waiting_for"] for line in producer.events("waiting")),
                what="a word about missing acknowledgements",
            )
            assert producer.metric('ingest_publish_waiting{source="readings"}') == 1.0
            assert not producer.events("run_ended")
            servers.broker.start()
            until(lambda: bool(producer.events("run_ended", completed=True)), what="the run's end")
            assert producer.events("waiting_over")
            assert len(producer.events("run_started")) == 1
            assert terminate(producer) == 0
        finally:
            producer.process.kill()
        assert set(ids(own)) == set(range(30_000))
