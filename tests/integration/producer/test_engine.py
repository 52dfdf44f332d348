"""IngestionEngine against broker and registry: what is published, rejected and stored for what a connector
does.
"""

import itertools
import math
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from connectors.errors import ConnectorSettingsError, UnknownSourceError, UpstreamError
from devstack.kafka_proxy import Api, KafkaProxy
from producer.assembly import Parts
from producer.engine import IngestionEngine, Requeued
from producer.errors import PublishAbandonedError, SourceError
from producer.run import RunReport
from producer.slices import AHEAD_MEANWHILE
from runtime.settings import Settings, load_settings
from schemas.errors import IncompatibleSchemaError, RegistryUnavailableError
from schemas.names import Names
from schemas.records import JobPayload
from tests.daemon_process import until
from tests.integration.producer.support import (
    NOON,
    Reading,
    ids,
    messages,
    parts_for,
    reading,
    records,
    run,
    stored,
    yielding,
)

JOB = JobPayload(source="readings")


def test_a_run_publishes_every_record_and_then_its_cursor(settings: Settings) -> None:
    report = run(settings, yielding(lambda since: (reading(number) for number in range(12_345))))
    assert (report.extracted, report.published, report.rejected) == (12_345, 12_345, 0)
    assert report.completed
    assert report.cursor == "2026-01-01T15:25:44Z"
    assert ids(settings) == list(range(12_345))
    assert stored(settings) == report.cursor


def test_the_record_on_the_wire_has_its_envelope(settings: Settings) -> None:
    before = datetime.now(UTC)
    report = run(settings, yielding(lambda since: iter([reading(7, text="é")])))
    [record] = records(settings)
    assert before <= record.pop("_extracted_at") <= datetime.now(UTC)
    assert record == {
        "_id": "7",
        "_source": "readings",
        "_event_time": NOON + timedelta(seconds=7),
        "_run_id": report.run_id,
        "id": 7,
        "at": NOON + timedelta(seconds=7),
        "text": "é",
    }
    [message] = messages(settings, Names(settings.topic_prefix).topic("readings"))
    assert message.key() == b"7"
    assert not message.headers()


@pytest.mark.parametrize("ordered", [True, False])
def test_a_connector_that_fails_keeps_what_came_before_and_moves_its_cursor_only_if_ordered(
    settings: Settings, ordered: bool
) -> None:
    def items(since: Any) -> Iterator[Any]:
        yield from (reading(number) for number in range(7000))
        raise UpstreamError("the API answered HTML", retry_after=30.0)

    with pytest.raises(SourceError, match="the API answered HTML") as caught:
        run(settings, yielding(items, ordered=ordered))
    assert caught.value.retry_after == 30.0
    assert ids(settings) == list(range(7000))
    assert stored(settings) == ("2026-01-01T13:56:39Z" if ordered else None)


def test_a_connector_that_calls_sys_exit_fails_like_any_other(settings: Settings) -> None:
    def items(since: Any) -> Iterator[Any]:
        yield reading(1)
        sys.exit(0)

    with pytest.raises(SourceError, match="SystemExit"):
        run(settings, yielding(items))
    assert ids(settings) == [1]


@pytest.mark.parametrize("ordered", [True, False])
def test_stop_ends_a_run_at_the_next_item_with_everything_acknowledged(
    settings: Settings, ordered: bool
) -> None:
    begun = threading.Event()

    def items(since: Any) -> Iterator[Any]:
        for number in itertools.count():
            yield reading(number)
            if number == 20_000:
                begun.set()

    reports: list[Any] = []
    with parts_for(settings, yielding(items, ordered=ordered)) as parts:
        thread = threading.Thread(target=lambda: reports.append(parts.engine.run(JOB)))
        thread.start()
        assert begun.wait(60)
        parts.engine.stop()
        thread.join(60)
        assert not thread.is_alive()
    [report] = reports
    assert not report.completed
    assert report.published >= 20_000
    found = ids(settings)
    assert found == list(range(report.published))
    last = (NOON + timedelta(seconds=found[-1])).isoformat().replace("+00:00", "Z")
    assert stored(settings) == (last if ordered else None)


def test_a_limited_job_does_not_run_and_names_its_time(settings: Settings) -> None:
    calls: list[Any] = []

    def items(since: Any) -> Iterator[Any]:
        calls.append(since)
        yield from ()

    connector = yielding(items, rate_limit=("2/minute", "100/hour"))
    with parts_for(settings, connector) as parts:
        assert isinstance(parts.engine.run(JOB), RunReport)
        assert isinstance(parts.engine.run(JOB), RunReport)
        outcome = parts.engine.run(JOB)
    assert isinstance(outcome, Requeued)
    assert timedelta(seconds=50) < outcome.not_before - datetime.now(UTC) <= timedelta(seconds=60)
    assert len(calls) == 2


def test_an_incompatible_schema_stops_the_source_before_its_first_record(settings: Settings) -> None:
    class Changed(BaseModel):
        id: int
        at: str

    run(settings, yielding(lambda since: iter([reading(1)])))
    changed = yielding(
        lambda since: iter([{"id": 2, "at": "x"}]), Record=Changed, event_time=None, cursor=None
    )
    with pytest.raises(IncompatibleSchemaError, match="at"):
        run(settings, changed)
    assert ids(settings) == [1]


def test_an_added_optional_field_is_a_new_version_of_the_same_topic(settings: Settings) -> None:
    run(settings, yielding(lambda since: iter([reading(1)])))
    wider = create_model("Reading", __base__=Reading, unit=(str | None, None))
    run(settings, yielding(lambda since: iter([reading(2, unit="mm")]), Record=wider))
    found = {record["id"]: record.get("unit", "absent") for record in records(settings)}
    assert found == {1: "absent", 2: "mm"}


def test_later_runs_do_not_need_the_registry(settings: Settings) -> None:
    connector = yielding(lambda since: iter([reading(1)]))
    with parts_for(settings, connector) as parts:
        parts.engine.run(JOB)
        parts.schemas.__exit__(None, None, None)
        parts.engine.run(JOB)
    assert ids(settings) == [1]


def test_what_is_absent_or_wrong_is_said_by_name(settings: Settings) -> None:
    class Strict(BaseModel):
        api_key: str

    with parts_for(settings, yielding(lambda since: iter([]), Settings=Strict)) as parts:
        with pytest.raises(ConnectorSettingsError, match="INGEST_SOURCES__READINGS__API_KEY"):
            parts.engine.run(JOB)
        with pytest.raises(UnknownSourceError, match=r"did you mean 'readings'"):
            parts.engine.run(JobPayload(source="reading"))
    nowhere = load_settings(
        {
            "kafka": {"bootstrap_servers": settings.kafka.bootstrap_servers},
            "registry": {"url": "http://127.0.0.1:1"},
            "topic_prefix": settings.topic_prefix,
        },
        env={},
    )
    with pytest.raises(RegistryUnavailableError, match=r"127\.0\.0\.1:1"):
        run(nowhere, yielding(lambda since: iter([])))


def test_a_slow_source_s_records_are_published_before_its_slice_is_full(settings: Settings) -> None:
    gate = threading.Event()

    def items(since: Any) -> Iterator[Any]:
        yield reading(1)
        gate.wait(60)

    with parts_for(settings, yielding(items)) as parts:
        thread = threading.Thread(target=parts.engine.run, args=(JOB,))
        thread.start()
        topic = Names(settings.topic_prefix).topic("readings")
        until(lambda: len(messages(settings, topic)) == 1, what="the first record's publication")
        assert thread.is_alive()
        gate.set()
        thread.join(60)


def run_in_vain(engine: IngestionEngine) -> None:
    with pytest.raises(PublishAbandonedError):
        engine.run(JOB)


@pytest.mark.requires_kafka
def test_the_generator_is_held_back_while_a_checkpoint_is_not_acknowledged(settings: Settings) -> None:
    """It stands still after a bounded number of items."""
    counter = itertools.count()
    connector = yielding(lambda since: (reading(number) for number in counter))
    with KafkaProxy(settings.kafka.bootstrap_servers) as proxy:
        narrow = load_settings(
            {
                "kafka": {"bootstrap_servers": proxy.address},
                "registry": {"url": settings.registry.url},
                "topic_prefix": settings.topic_prefix,
                "producer": {"checkpoint_records": 2000, "slice_records": 500},
            },
            env={},
        )
        topic = Names(settings.topic_prefix).topic("readings")
        proxy.hold_response(Api.PRODUCE, about=topic, times=math.inf)
        with parts_for(narrow, connector) as parts:
            stands_still(parts, counter, 2000 + 2 * 500 + AHEAD_MEANWHILE // 500)


def stands_still(parts: Parts, counter: Iterator[int], most: int) -> None:
    """Run the source, which counts its items, until it gives no more of them; then give up."""
    thread = threading.Thread(target=run_in_vain, args=(parts.engine,), daemon=True)
    thread.start()
    seen: list[int] = []

    def still() -> bool:
        seen.append(int(repr(counter)[6:-1]))
        return len(seen) > 40 and len(set(seen[-40:])) == 1

    until(still, what="the generator's standstill")
    # The checkpoint, the slice that passed its bound, one in the hand, and those that are ready.
    assert seen[-1] <= most
    parts.engine.stop()
    parts.abandon.set()
    thread.join(60)
    assert not thread.is_alive()
