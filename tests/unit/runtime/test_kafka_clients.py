"""What reaches librdkafka: the person's properties by an allow-list, ours on top, each kind its own."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from runtime.errors import SettingsError
from runtime.kafka import check_properties, client_properties
from runtime.kafka_properties import ALLOWED, MAX_REFRESH_MS, REFUSED, SECRET
from runtime.settings import KafkaSettings

GROUP = {"group.id": "g"}


def settings(properties: Mapping[str, Any] | None = None) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers="127.0.0.1:1", properties=dict(properties or {}))


def refusal(name: str, value: str | int = "1") -> str:
    with pytest.raises(ValueError, match="properties") as caught:
        KafkaSettings(properties={name: value})
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_every_allowed_property_is_one_of_librdkafkas(name: str) -> None:
    said = ""
    try:
        Producer({name: "?!"})
    except KafkaException as exc:
        said = exc.args[0].str()
    assert "No such configuration property" not in said


def test_nothing_is_both_allowed_and_refused() -> None:
    assert not ALLOWED.keys() & REFUSED.keys()
    assert ALLOWED.keys() >= SECRET


@pytest.mark.parametrize(
    "name",
    [
        "enable.auto.commit",
        "auto.offset.reset",
        "enable.idempotence",
        "acks",
        "transactional.id",
        "partitioner",
        "isolation.level",
        "group.id",
        "bootstrap.servers",
        "plugin.library.paths",
    ],
)
def test_what_would_break_a_promise_is_refused_with_the_reason(name: str) -> None:
    assert f"'{name}' cannot be set: {REFUSED[name]}" in refusal(name)


def test_an_unknown_property_is_refused_with_the_nearest_one() -> None:
    assert "did you mean 'sasl.mechanism'?" in refusal("sasl.mechanisn")


@pytest.mark.parametrize("value", [MAX_REFRESH_MS + 1, 0, -1, "often"])
def test_new_topics_are_never_waited_for_longer_than_the_limit(value: str | int) -> None:
    assert f"must be from 1 to {MAX_REFRESH_MS}" in refusal("topic.metadata.refresh.interval.ms", value)


def test_the_metadata_refresh_is_short_for_every_client() -> None:
    name = "topic.metadata.refresh.interval.ms"
    assert client_properties(settings())[name] == MAX_REFRESH_MS
    assert client_properties(settings({name: 100}), **GROUP)[name] == 100


def test_properties_go_to_the_kind_of_client_they_are_made_for() -> None:
    given = settings({"session.timeout.ms": 1000, "linger.ms": 5, "security.protocol": "SSL"})
    consumer, producer = client_properties(given, **GROUP), client_properties(given)
    assert consumer["session.timeout.ms"] == 1000
    assert producer["linger.ms"] == 5
    assert "linger.ms" not in consumer
    assert "session.timeout.ms" not in producer
    assert consumer["security.protocol"] == producer["security.protocol"] == "SSL"


def test_librdkafka_has_nothing_to_warn_about(caplog: pytest.LogCaptureFixture) -> None:
    given = settings({"session.timeout.ms": 1000, "heartbeat.interval.ms": 200, "linger.ms": 5})
    Producer(client_properties(given)).poll(0.1)
    AdminClient(client_properties(given)).poll(0.1)
    consumer = Consumer(client_properties(given, **GROUP))
    consumer.poll(0.1)
    consumer.close()
    assert [record.message for record in caplog.records if "CONFWARN" in record.message] == []


def test_librdkafkas_log_goes_to_python(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "librdkafka")
    producer = Producer(client_properties(settings({"debug": "conf"})))
    producer.poll(0.1)
    assert [record for record in caplog.records if record.name == "librdkafka"]


def test_the_rooms_own_properties_win() -> None:
    merged = client_properties(settings({"linger.ms": 5}), **{"linger.ms": 50, "acks": "all"})
    assert merged["linger.ms"] == 50
    assert merged["acks"] == "all"


def test_values_are_as_librdkafka_reads_them() -> None:
    merged = client_properties(settings({"sasl.password": "p", "socket.keepalive.enable": True}))
    assert merged["sasl.password"] == "p"
    assert merged["socket.keepalive.enable"] == "true"


def test_with_the_new_group_protocol_the_classic_timers_are_left_out() -> None:
    own = {**GROUP, "session.timeout.ms": 6000, "partition.assignment.strategy": "cooperative-sticky"}
    merged = client_properties(settings({"group.protocol": "consumer"}), **own)
    Consumer(merged).close()
    assert not {"session.timeout.ms", "partition.assignment.strategy"} & merged.keys()
    with pytest.raises(ValueError, match=r"'session\.timeout\.ms' cannot be set together"):
        settings({"group.protocol": "consumer", "session.timeout.ms": 1000})


def test_values_are_checked_without_connecting(caplog: pytest.LogCaptureFixture) -> None:
    check_properties(settings({"linger.ms": 5}))
    with pytest.raises(SettingsError, match=r"INGEST_KAFKA__PROPERTIES.*batch\.size"):
        check_properties(settings({"batch.size": "soon"}))
    assert not caplog.records
