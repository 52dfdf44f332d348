"""The configuration of every Kafka client of ours: the person's properties, our defaults, the room's own.

Leaves the clients themselves, and what they promise, to the rooms that open them.
"""

import logging
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer
from pydantic import SecretStr

from runtime.errors import SettingsError
from runtime.kafka_properties import ALLOWED, CLASSIC_GROUP_ONLY, MAX_REFRESH_MS, uses_consumer_protocol
from runtime.settings import KafkaSettings

_DEFAULTS: Mapping[str, Any] = {
    "client.id": "ingest",
    # librdkafka asks every five minutes; a new source topic would wait that long.
    "topic.metadata.refresh.interval.ms": MAX_REFRESH_MS,
}


def client_properties(settings: KafkaSettings, **own: Any) -> dict[str, Any]:
    """The dict for `Producer`, `Consumer` or `AdminClient`.

    `own` are the caller's librdkafka properties, given as `**{"group.id": group}`; they win over what a
    person set, which wins over our defaults. A client with a `group.id` is a consumer, all others (admin
    clients are producers to librdkafka) are producers: properties made for the other kind are left out,
    because librdkafka warns about each. librdkafka's log goes to the Python logger "librdkafka", delivered
    while the client polls.
    """
    unwanted = "producer" if "group.id" in own else "consumer"
    chosen = {name: _plain(value) for name, value in settings.properties.items() if ALLOWED[name] != unwanted}
    merged = {
        **_DEFAULTS,
        **chosen,
        "bootstrap.servers": settings.bootstrap_servers,
        "logger": logging.getLogger("librdkafka"),
        **own,
    }
    if uses_consumer_protocol(merged):
        return {name: value for name, value in merged.items() if name not in CLASSIC_GROUP_ONLY}
    return merged


def _plain(value: Any) -> str | int:
    """As librdkafka reads it: no wrapped secrets, `true` and `false` in lower case."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    plain: str | int = value
    return plain


def check_properties(settings: KafkaSettings) -> None:
    """Let librdkafka read the values, without connecting; raises SettingsError with what it says.

    Names were checked when the settings were loaded. The message may quote a value, never that of a secret.
    """
    # Without a server to go to, and without the warning that there is none.
    idle = {"bootstrap.servers": "", "log_level": 0}
    try:
        Producer(client_properties(settings, **idle))
        Consumer(client_properties(settings, **idle, **{"group.id": "ingest-check"})).close()
    except KafkaException as exc:
        raise SettingsError(f"INGEST_KAFKA__PROPERTIES: {exc.args[0].str()}") from exc
