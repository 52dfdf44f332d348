"""What an operator asks of running producers through Kafka, with the command, from another process."""

import itertools
import re
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from connectors.registry import ConnectorRegistry, Plugin
from producer.control import Control
from producer.jobs import JobsTopic
from producer.partitioning import partition_of
from runtime.kafka import client_properties
from runtime.settings import Settings
from schemas.names import Names
from tests.daemon_process import DaemonProcess, until
from tests.integration.producer.conftest import Ask
from tests.integration.producer.support import (
    COUNTING,
    ORDERED,
    Readings,
    events,
    ids,
    stored,
    write_connector,
)

pytestmark = pytest.mark.requires_kafka

TEN = 'yield from ({"id": n, "at": NOON + timedelta(seconds=n)} for n in range(10))'
FIXABLE = """
if not (HERE / "mended").exists():
    from connectors.errors import StopSourceError
    raise StopSourceError("the API wants a new token")
yield {"id": 1, "at": NOON}
"""


def listed(ask: Ask) -> dict[str, Any]:
    return {row["source"]: row for row in ask("list")}


def test_a_source_is_paused_at_a_checkpoint_its_cursor_set_and_it_goes_on(
    settings: Settings, folder: Path, daemon: DaemonProcess, ask: Ask
) -> None:
    write_connector(folder, "alpha", COUNTING, declared=ORDERED)
    daemon.start()
    until(lambda: len(ids(settings, "alpha")) > 100, what="a run that goes on")
    assert listed(ask)["alpha"]["state"] == "RUNNING"
    assert ask("cursor", "reset", "alpha")["executed"] is False
    assert "is not paused" in ask("cursor", "set", "alpha", "2026-01-01T12:00:10Z", "--execute", code=75)
    paused = ask("pause", "alpha")
    assert (paused["state"], paused["detail"][:9]) == ("PAUSED", "paused by")
    count = len(ids(settings, "alpha"))
    before = stored(settings, "alpha")
    plan = ask("cursor", "set", "alpha", "2026-01-01T12:00:10Z")
    assert (plan["before"], plan["executed"]) == (before, False)
    assert stored(settings, "alpha") == before
    assert ask("cursor", "set", "alpha", "2026-01-01T12:00:10Z", "--execute")["executed"] is True
    assert ask("cursor", "show", "alpha")[0]["cursor"] == "2026-01-01T12:00:10Z"
    assert len(ids(settings, "alpha")) == count
    assert ask("resume", "alpha")["state"] != "PAUSED"
    until(lambda: len(ids(settings, "alpha")) > count + 50, what="records behind those")
    (folder / "enough").touch()
    until(lambda: events(daemon, "run_ended", completed=True), what="the end of the run")
    # It has read the old ones again, and published none of them twice.
    assert ids(settings, "alpha") == list(range(len(ids(settings, "alpha"))))
    assert daemon.end() == 0


def test_a_pause_outlives_the_producer_and_a_reset_publishes_nothing_twice(
    settings: Settings, folder: Path, daemon: DaemonProcess, ask: Ask
) -> None:
    write_connector(folder, "alpha", TEN, declared=['cursor = "at"'])
    daemon.start()
    until(lambda: events(daemon, "run_ended", completed=True), what="the first run")
    ask("pause", "alpha")
    daemon.process.kill()
    until(lambda: listed(ask)["alpha"]["state"] == "UNASSIGNED", what="its absence")
    assert "it is paused by" in listed(ask)["alpha"]["detail"]
    assert ask("cursor", "reset", "alpha", "--execute")["after"] is None
    daemon.start()
    until(lambda: listed(ask)["alpha"]["state"] == "PAUSED", what="its pause")
    job = ask("trigger", "alpha")["job_id"]
    assert [each["job_id"] for each in listed(ask)["alpha"]["waiting_jobs"]] == [job]
    ask("resume", "alpha")
    until(lambda: events(daemon, "run_ended", job_id=job), what="the run")
    [ended] = events(daemon, "run_ended", job_id=job)
    assert (ended["extracted"], ended["published"], ended["deduplicated"]) == (10, 0, 10)
    assert ids(settings, "alpha") == list(range(10))
    until(lambda: not listed(ask)["alpha"]["waiting_jobs"], what="its tombstone")


def test_a_source_that_its_producer_does_not_know_is_told_with_that_producer(
    settings: Settings, folder: Path, daemon: DaemonProcess, ask: Ask
) -> None:
    write_connector(folder, "alpha", TEN)
    daemon.start()
    until(lambda: listed(ask)["alpha"]["state"] == "SCHEDULED", what="its first run")
    write_connector(folder, "beta", TEN)
    beta = ask("trigger", "beta")
    assert (beta["state"], beta["owner"]) == ("UNASSIGNED", None)
    assert re.search(rf"{socket.gethostname()}:{daemon.process.pid}-\w+ has its partition", beta["detail"])
    assert daemon.end() == 0
    (folder / "alpha.py").unlink()
    daemon.start()
    until(lambda: ids(settings, "beta") == list(range(10)), what="the run that was asked for")
    gone = listed(ask)["alpha"]
    assert (gone["state"], gone["owner"]) == ("UNASSIGNED", None)
    assert "does not run it" in gone["detail"]
    assert daemon.end() == 0


def test_pauses_and_jobs_go_along_when_the_jobs_topic_gets_more_partitions(
    settings: Settings, folder: Path, daemon: DaemonProcess, ask: Ask
) -> None:
    placed = partial(partition_of, b"alpha")
    write_connector(folder, "alpha", TEN)
    daemon.start()
    until(lambda: listed(ask)["alpha"]["state"] == "SCHEDULED", what="its first run")
    ask("pause", "alpha")
    job = ask("trigger", "alpha")["job_id"]
    assert daemon.end() == 0
    first = settings.producer.job_partitions
    more = (count for count in itertools.count(first) if placed(count) != placed(first))
    topic = Names(settings.topic_prefix).jobs
    admin = AdminClient(client_properties(settings.kafka))
    admin.create_partitions([NewPartitions(topic, next(more))])[topic].result()
    daemon.start()
    until(lambda: listed(ask)["alpha"]["state"] == "PAUSED", what="its pause")
    assert [each["job_id"] for each in listed(ask)["alpha"]["waiting_jobs"]] == [job]
    ask("resume", "alpha")
    until(lambda: events(daemon, "run_ended", job_id=job), what="the run")
    until(lambda: not listed(ask)["alpha"]["waiting_jobs"], what="its end")
    assert daemon.end() == 0


def test_a_failed_source_waits_for_a_restart(
    settings: Settings, folder: Path, daemon: DaemonProcess, ask: Ask
) -> None:
    body = FIXABLE.replace(
        "raise ValueError", "from connectors.errors import StopSourceError\n    raise StopSourceError"
    )
    write_connector(folder, "alpha", body)
    daemon.start()
    until(lambda: listed(ask)["alpha"]["state"] == "FAILED", what="its failure")
    assert "a new token" in listed(ask)["alpha"]["detail"]
    [told] = events(daemon, "source_failed")
    assert told["next_step"] == "ingest connectors restart alpha"
    (folder / "mended").touch()
    ask("restart", "alpha")
    until(lambda: ids(settings, "alpha") == [1], what="the run")
    until(lambda: listed(ask)["alpha"]["state"] == "SCHEDULED", what="its clock")
    assert daemon.end() == 0


def test_a_restart_ends_a_run_at_a_checkpoint_and_begins_it_anew(
    settings: Settings, folder: Path, daemon: DaemonProcess, ask: Ask
) -> None:
    write_connector(folder, "alpha", COUNTING, declared=ORDERED)
    daemon.start()
    until(lambda: len(ids(settings, "alpha")) > 100, what="a run that goes on")
    ask("restart", "alpha")
    until(lambda: len(events(daemon, "run_started")) == 2, what="the second run")
    [first] = events(daemon, "run_ended")
    assert first["completed"] is False
    (folder / "enough").touch()
    until(lambda: events(daemon, "run_ended", completed=True), what="its end")
    assert ids(settings, "alpha") == list(range(len(ids(settings, "alpha"))))
    assert daemon.end() == 0


def test_what_is_unknown_is_told_with_what_to_do(settings: Settings, ask: Ask) -> None:
    assert "unknown source" in ask("pause", "nobody", code=3)
    assert "unknown source" in ask("cursor", "reset", "nobody", code=3)


def test_a_pause_that_stands_in_two_partitions_is_taken_back_in_both(settings: Settings) -> None:
    """Moved when the topic got more of them, and its tombstone in the former one was lost."""
    names, properties = Names(settings.topic_prefix), client_properties(settings.kafka)
    connectors = ConnectorRegistry([Plugin("readings", Readings, "test")])
    control = Control(settings, connectors)
    control.pause("readings", "ann")
    partitions, admin = settings.producer.job_partitions, AdminClient(properties)
    admin.create_partitions([NewPartitions(names.jobs, partitions + 1)])[names.jobs].result(30)
    jobs = JobsTopic(properties, names.jobs, {}, lambda: partitions)
    jobs.place("readings", partitions)
    pause = control.pause_of("readings")
    assert pause is not None

    def written() -> bool:
        delivery = jobs.keep(pause)
        jobs.flush(10.0)
        return delivery.acknowledged

    until(written, what="the new partition")
    # A client that was there before does not know the new partition at once.
    Control(settings, connectors).resume("readings")
    assert control.pause_of("readings") is None
