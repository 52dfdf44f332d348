"""The daemon as a process: schedules, isolation, drain, crashes, and dependencies that are away."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from devstack.processes import ChildProcess
from devstack.stack import DevStack
from runtime.settings import Settings, load_settings
from tests.daemon_process import DaemonProcess, until
from tests.integration.producer.conftest import SKIP
from tests.integration.producer.support import NOON, dead_letters, events, ids, write_connector

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


def state(producer: DaemonProcess, source: str, word: str) -> bool:
    return producer.metric(f'ingest_source_state{{source="{source}",state="{word}"}}') == 1.0


def test_sources_run_at_the_start_and_sigterm_ends_with_0(
    settings: Settings, folder: Path, producer: DaemonProcess
) -> None:
    write_connector(folder, "readings", 'yield from ({"id": n, "at": NOON} for n in range(100))')
    producer.start()
    until(lambda: len(events(producer, "run_ended", source="readings")) == 1, what="the first run's end")
    assert producer.missing("/livez") is None
    assert producer.missing("/readyz") is None
    topic = f"{settings.topic_prefix}.readings"
    assert producer.metric('ingest_records_extracted_total{source="readings"}') == 100
    assert producer.metric(f'ingest_records_published_total{{source="readings",topic="{topic}"}}') == 100
    assert producer.metric('ingest_run_duration_seconds_count{source="readings"}') == 1
    assert state(producer, "readings", "SCHEDULED")
    assert producer.metric('ingest_source_last_success_timestamp_seconds{source="readings"}') > 1e9
    assert producer.end() == 0
    assert ids(settings) == list(range(100))


def test_sigterm_in_mid_run_ends_with_0_and_what_was_acknowledged_counts(
    settings: Settings, folder: Path, producer: DaemonProcess
) -> None:
    write_connector(folder, "readings", FOREVER, declared=['cursor = "at"', "ordered = True"])
    producer.start()
    until(lambda: len(ids(settings)) > 500, what="500 records")
    assert producer.end() == 0
    [ended] = events(producer, "run_ended", source="readings")
    assert ended["completed"] is False
    found = ids(settings)
    assert found == list(range(len(found)))
    assert ended["published"] == len(found)
    assert datetime.fromisoformat(ended["cursor"]) == NOON + timedelta(seconds=found[-1])


def test_a_generator_that_never_comes_back_does_not_hold_up_the_end(
    settings: Settings, folder: Path, producer: DaemonProcess
) -> None:
    write_connector(folder, "stuck", 'yield {"id": 1, "at": NOON}\ntime.sleep(3600)')
    write_connector(folder, "readings", 'yield {"id": 1, "at": NOON}')
    producer.start()
    until(lambda: len(events(producer, "run_ended", source="readings")) == 1, what="the other source's run")
    until(lambda: len(ids(settings, "stuck")) == 1, what="the first record of the one that hangs")
    assert producer.end() == 0
    assert events(producer, "generator_left_behind", source="stuck")


def test_kill_9_in_mid_run_and_a_restart_lose_nothing(
    settings: Settings, folder: Path, producer: DaemonProcess
) -> None:
    write_connector(folder, "readings", MANY, declared=['cursor = "at"'])
    producer.start()
    for _ in range(2):
        enough = len(ids(settings)) + 3000
        until(lambda: len(ids(settings)) > enough, what="3000 more records")  # noqa: B023 - called at once
        producer.process.kill()
        producer.start()
    until(lambda: bool(events(producer, "run_ended", source="readings", completed=True)), what="a whole run")
    assert producer.end() == 0
    assert set(ids(settings)) == set(range(30_000))


def test_an_ordered_source_goes_on_after_kill_9_where_its_checkpoint_was(
    settings: Settings, folder: Path, producer: DaemonProcess
) -> None:
    body = """
start = 0 if since is None else int((since - NOON).total_seconds())
yield from ({"id": number, "at": NOON + timedelta(seconds=number)} for number in range(start, 150_000))
if since is None:
    time.sleep(3600)
"""
    write_connector(folder, "readings", body, declared=['cursor = "at"', "ordered = True"])
    producer.start()
    topic = f"{settings.topic_prefix}.readings"
    published = f'ingest_records_published_total{{source="readings",topic="{topic}"}}'
    until(lambda: producer.metric(published) == 150_000, what="all records of the first life")
    producer.process.kill()
    producer.start()
    until(lambda: bool(events(producer, "run_ended", source="readings", completed=True)), what="the end")
    assert events(producer, "run_started", source="readings")[-1]["since"] is not None
    assert producer.end() == 0
    found = Counter(ids(settings))
    assert set(found) == set(range(150_000))
    # The checkpoint of the first life came after 100,000 records: those before it are not extracted again.
    assert max(found[number] for number in range(99_000)) == 1


def test_no_source_hurts_another(settings: Settings, folder: Path, producer: DaemonProcess) -> None:
    write_connector(folder, "raising", 'yield {"id": 1, "at": NOON}\nraise ValueError("half a page")')
    write_connector(folder, "leaving", 'yield {"id": 1, "at": NOON}\nsys.exit("goodbye")')
    write_connector(folder, "garbage", 'yield from [None, 5, "x", object()]')
    write_connector(folder, "nothing", "return None\nyield")
    write_connector(folder, "returning", "return 7")
    write_connector(folder, "blocking", "time.sleep(3600)\nyield")
    write_connector(folder, "readings", 'yield {"id": 1, "at": NOON}')
    (folder / "broken.py").write_text("import no_such_module\n")
    producer.start()
    until(
        lambda: all(
            state(producer, source, word)
            for source, word in {
                "raising": "RETRYING",
                "leaving": "RETRYING",
                "garbage": "SCHEDULED",
                "nothing": "SCHEDULED",
                "returning": "RETRYING",
                "blocking": "RUNNING",
                "readings": "SCHEDULED",
            }.items()
        ),
        what="each source's state",
    )
    assert producer.missing("/readyz") is None
    assert ids(settings, "readings") == ids(settings, "raising") == ids(settings, "leaving") == [1]
    assert len(dead_letters(settings, "garbage")) == 4
    [quarantined] = events(producer, "connector_quarantined")
    assert quarantined["origin"].endswith("broken.py")
    assert "no_such_module" in quarantined["cause"]
    _, page = producer.probe("/readyz?verbose")
    lines = {line.partition(":")[0].strip(): line for line in page.splitlines()}
    assert ": RUNNING since 20" in lines["blocking"]
    assert ": SCHEDULED since 20" in lines["readings"]
    assert "last success 20" in lines["readings"]
    assert "ValueError: half a page" in lines["raising"]
    assert lines["weather"].endswith("skipped by INGEST_CONNECTORS__SKIP")
    assert f"\nquarantined:\n  {folder / 'broken.py'}:1: " in page
    until(lambda: producer.metric('ingest_retries_total{source="raising"}') >= 2, what="a second attempt")
    assert producer.end() == 0


def test_ticks_come_by_the_schedule_until_the_rate_limit_puts_a_job_back(
    settings: Settings, folder: Path, producer: DaemonProcess
) -> None:
    declared = ['schedule = "every 1s"', 'rate_limit = "3/hour"']
    write_connector(folder, "ticking", 'yield {"id": int(time.time() * 1e6), "at": NOON}', declared=declared)
    producer.start()
    until(lambda: state(producer, "ticking", "BLOCKED"), what="the limit")
    assert len(events(producer, "run_ended", source="ticking")) == 3
    assert producer.metric('ingest_rate_limited_total{source="ticking"}') == 1
    assert producer.missing("/readyz") is None
    assert producer.end() == 0
    assert len(ids(settings, "ticking")) == 3


def test_a_taken_port_and_an_unknown_setting_refuse_the_start(
    folder: Path, producer: DaemonProcess, environment: dict[str, str], tmp_path: Path
) -> None:
    producer.start()
    port = producer.url.rpartition(":")[2]
    wrong = {
        "taken": ({"INGEST_HTTP__PORT": port}, 4, "INGEST_HTTP__PORT"),
        "unknown": ({"INGEST_PRODUCER__SLICE_RECORD": "5"}, 3, "SLICE_RECORDS"),
    }
    for name, (variables, code, word) in wrong.items():
        log = tmp_path / f"{name}.log"
        refused = ChildProcess(
            name,
            [sys.executable, "-m", "producer"],
            log=log,
            env={**os.environ, **environment, "INGEST_CONNECTORS__SKIP": SKIP, **variables},
        )
        refused.start()
        assert refused.wait(60) == code
        assert word in log.read_text()


@contextmanager
def own_stack(
    folder: Path, tmp_path: Path, **variables: str
) -> Iterator[tuple[DevStack, DaemonProcess, Settings]]:
    """A stack whose parts may be taken away, and a daemon that is not started; at the end nothing is lost."""
    write_connector(folder, "readings", MANY, declared=['cursor = "at"'])
    with DevStack(tmp_path / "stack", upstream=False) as servers:
        own = {"INGEST_CONNECTORS__PATHS": str(folder), "INGEST_CONNECTORS__SKIP": SKIP, **variables}
        environment = {**servers.environment(), **own}
        settings = load_settings(env=environment)
        producer = DaemonProcess("producer", tmp_path, environment)
        try:
            yield servers, producer, settings
        finally:
            producer.process.kill()
        assert set(ids(settings)) == set(range(30_000))


@pytest.mark.requires_kafka
def test_registry_and_broker_absent_at_the_start_then_the_broker_lost_in_mid_run(
    folder: Path, tmp_path: Path
) -> None:
    """On a stack of its own, as it takes the parts away; the broker must keep its data, as Tansu does not."""
    with own_stack(folder, tmp_path) as (servers, producer, settings):
        servers.registry.kill()
        servers.broker.kill()
        producer.process.start()
        outlive_outages(producer, servers, settings)


def outlive_outages(producer: DaemonProcess, servers: DevStack, settings: Settings) -> None:
    """Broker and registry come up after the daemon; the broker goes and comes back while it publishes."""
    until(lambda: waits_for(producer, "the broker at"), "a word about the broker")
    assert producer.missing("/livez") is None
    assert "waiting for the broker" in (producer.missing("/readyz") or "")
    servers.broker.start()
    until(lambda: waits_for(producer, "the schema registry at"), "a word about the registry")
    assert "waiting for the schema registry" in (producer.missing("/readyz") or "")
    servers.registry.start()
    until(lambda: len(ids(settings)) > 3000, "3000 records")
    assert producer.missing("/readyz") is None

    servers.broker.kill()
    until(lambda: "broker does not answer" in (producer.missing("/readyz") or ""), "unready")
    until(
        lambda: waits_for(producer, "acknowledgements from"),
        "a word about missing acknowledgements",
    )
    until(lambda: producer.metric('ingest_publish_waiting{source="readings"}') == 1, "the metric")
    assert not events(producer, "run_ended")
    servers.broker.start()
    until(lambda: bool(events(producer, "run_ended", completed=True)), "the run's end")
    assert len(events(producer, "run_started")) == 1
    assert producer.end() == 0


@pytest.mark.requires_kafka
def test_sigterm_while_the_broker_hangs_ends_in_time_and_the_next_life_completes_it(
    folder: Path, tmp_path: Path
) -> None:
    """A broker that takes connections and says nothing: no error tells anybody that it is away."""
    with own_stack(folder, tmp_path, INGEST_PRODUCER__DRAIN_SECONDS="6") as (servers, producer, settings):
        producer.start()
        until(lambda: len(ids(settings)) > 3000, "3000 records")
        assert servers.broker.pid is not None
        os.kill(servers.broker.pid, signal.SIGSTOP)
        until(lambda: waits_for(producer, "acknowledgements from"), "a word about the broker")
        assert producer.end(seconds=12) == 0
        producer.process.start()
        until(lambda: waits_for(producer, "the broker at"), "a word about the broker at the start")
        assert producer.end(seconds=12) == 0
        os.kill(servers.broker.pid, signal.SIGCONT)
        producer.start()
        until(lambda: bool(events(producer, "run_ended", completed=True)), "the run's end")
        assert producer.end() == 0


def waits_for(producer: DaemonProcess, whom: str) -> bool:
    return any(line["waiting_for"].startswith(whom) for line in events(producer, "waiting"))
