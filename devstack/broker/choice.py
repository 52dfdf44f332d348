"""Decides which broker a stack gets, says why, and makes it.

`kafka` and `tansu` are orders; `auto` takes Apache Kafka where it can be run, and Tansu otherwise.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from devstack.broker.jars import cache_folder, ensure_jars, jar_folder, kafka_version
from devstack.broker.java import find_java, find_maven
from devstack.broker.kafka import KafkaBroker
from devstack.broker.tansu import TansuBroker, find_tansu
from devstack.errors import BrokerChoiceError, DownloadError, MissingToolError
from devstack.ports import PortBook

VARIABLE = "INGEST_DEV_BROKER"

BrokerName = Literal["kafka", "tansu"]
Broker = KafkaBroker | TansuBroker


@dataclass(frozen=True)
class Choice:
    """Which broker, and in words why; `ordered` when it was named and not left to the machine."""

    name: BrokerName
    reason: str
    ordered: bool


@dataclass(frozen=True)
class Place:
    """Where a broker lives: its data folder, the folder of logs and the stack's ports."""

    data: Path
    logs: Path
    ports: PortBook


def choose_broker(argument: str = "auto", env: Mapping[str, str] = os.environ) -> Choice:
    """Return the broker for the argument or, where that is `auto`, for INGEST_DEV_BROKER.

    Looks at the machine, fetches nothing. Raises BrokerChoiceError for another word than auto, kafka, tansu;
    MissingToolError when Apache Kafka is ordered and cannot be run.
    """
    wanted = _wanted(argument, env)
    if wanted == "tansu":
        return Choice("tansu", "ordered", ordered=True)
    ordered = wanted == "kafka"
    try:
        java = find_java(env)
        if not jar_folder(cache_folder(env)).is_dir():
            find_maven(env)
    except MissingToolError as exc:
        if ordered:
            raise
        return Choice("tansu", str(exc), ordered=False)
    return Choice("kafka", "ordered" if ordered else f"{java} can run it", ordered=ordered)


def make_broker(
    choice: Choice, place: Place, *, say: Callable[[str], None], env: Mapping[str, str] = os.environ
) -> Broker:
    """Return the chosen broker, ready to be launched; fetches Apache Kafka's jars where they are missing.

    Raises MissingToolError or DownloadError. A fetch that fails gives Tansu where Kafka was not ordered;
    `say` is told why whenever it is Tansu without an order.
    """
    if choice.name == "kafka":
        try:
            return _kafka(place, say, env)
        except DownloadError as exc:
            if choice.ordered:
                raise
            choice = Choice("tansu", str(exc), ordered=False)
    if not choice.ordered:
        say(f"the broker is Tansu, not Apache Kafka. {choice.reason}")
    return _tansu(place)


def _wanted(argument: str, env: Mapping[str, str]) -> str:
    source, value = ("broker", argument) if argument != "auto" else (VARIABLE, env.get(VARIABLE) or "auto")
    word = value.strip().lower()
    known = ("auto", *get_args(BrokerName))
    if word not in known:
        raise BrokerChoiceError(f"{source} is {value!r}; it may be {', '.join(known)}.")
    return word


def _kafka(place: Place, say: Callable[[str], None], env: Mapping[str, str]) -> KafkaBroker:
    return KafkaBroker(
        place.ports.port("broker"),
        place.ports.port("controller"),
        place.data,
        place.logs / "kafka.log",
        java=find_java(env),
        libs=ensure_jars(cache_folder(env), say=say, env=env),
        version=kafka_version(),
    )


def _tansu(place: Place) -> TansuBroker:
    binary, version = find_tansu()
    port = place.ports.port("broker")
    return TansuBroker(port, place.data, place.logs / "tansu.log", binary=binary, version=version)
