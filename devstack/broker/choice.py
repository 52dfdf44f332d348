"""Decides which broker a stack gets, and says why.

`kafka` and `tansu` are orders; `auto` takes Apache Kafka where it can be run, and Tansu otherwise.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from devstack.broker.jars import cache_folder, ensure_jars, kafka_version
from devstack.broker.java import find_java
from devstack.broker.kafka import KafkaBroker
from devstack.broker.tansu import TansuBroker, find_tansu
from devstack.errors import BrokerChoiceError, DownloadError, MissingToolError
from devstack.ports import PortBook

BrokerName = Literal["auto", "kafka", "tansu"]
VARIABLE = "INGEST_DEV_BROKER"

Broker = KafkaBroker | TansuBroker


@dataclass(frozen=True)
class Place:
    """Where a broker lives: its data folder, the folder of logs and the stack's ports."""

    data: Path
    logs: Path
    ports: PortBook


def wanted_broker(argument: str = "auto", env: Mapping[str, str] = os.environ) -> BrokerName:
    """Return which broker is asked for: the argument, or, where that is `auto`, INGEST_DEV_BROKER.

    Raises BrokerChoiceError for another word than auto, kafka, tansu.
    """
    source, value = ("broker", argument) if argument != "auto" else (VARIABLE, env.get(VARIABLE) or "auto")
    for name in get_args(BrokerName):
        if value.strip().lower() == name:
            return name  # type: ignore[no-any-return]
    raise BrokerChoiceError(f"{source} is {value!r}; it may be {', '.join(get_args(BrokerName))}.")


def choose_broker(
    wanted: BrokerName, place: Place, *, say: Callable[[str], None], env: Mapping[str, str] = os.environ
) -> Broker:
    """Return the broker, ready to be launched; fetches Apache Kafka's jars where they are missing.

    Raises MissingToolError when what is wanted cannot be had, DownloadError when it could not be fetched.
    With `auto`, either of them means Tansu, and `say` is told the reason.
    """
    if wanted == "tansu":
        return _tansu(place)
    try:
        return _kafka(place, say, env)
    except (MissingToolError, DownloadError) as exc:
        if wanted == "kafka":
            raise
        say(f"the broker is Tansu, not Apache Kafka. {exc}")
        return _tansu(place)


def _kafka(place: Place, say: Callable[[str], None], env: Mapping[str, str]) -> KafkaBroker:
    java = find_java(env)
    libs = ensure_jars(cache_folder(env), say=say, env=env)
    return KafkaBroker(
        place.ports.port("broker"),
        place.ports.port("controller"),
        place.data,
        place.logs / "kafka.log",
        java=java,
        libs=libs,
        version=kafka_version(),
    )


def _tansu(place: Place) -> TansuBroker:
    binary, version = find_tansu()
    port = place.ports.port("broker")
    return TansuBroker(port, place.data, place.logs / "tansu.log", binary=binary, version=version)
