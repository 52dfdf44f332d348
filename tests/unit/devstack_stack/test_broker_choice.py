"""Kafka and Tansu are orders, auto takes what the machine has and says why it is not Kafka."""

from pathlib import Path

import pytest

from devstack.broker import Place, choose_broker, make_broker
from devstack.broker.jars import jar_folder
from devstack.broker.kafka import KafkaBroker, new_cluster_id, server_properties
from devstack.broker.tansu import TansuBroker
from devstack.errors import BrokerChoiceError, DownloadError, MissingToolError
from devstack.ports import PortBook


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "broker", tmp_path / "logs", PortBook(tmp_path / "ports.json"))


def _no_maven(env: dict[str, str]) -> str:
    """Return a PATH with that environment's Java and no Maven, whatever this machine has."""
    return env["PATH"].partition(":")[0]


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a machine without Java and Maven."""
    return {"PATH": str(tmp_path / "nothing"), "INGEST_DEV_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def complete(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a machine with Java and the jars in the cache."""
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n")
    java.chmod(0o755)
    jar_folder(tmp_path / "cache").mkdir(parents=True)
    return {"PATH": f"{java.parent}:/bin:/usr/bin", "INGEST_DEV_CACHE": str(tmp_path / "cache")}


@pytest.mark.parametrize(
    ("argument", "variable", "name", "ordered"),
    [
        ("auto", None, "kafka", False),
        ("auto", "", "kafka", False),
        ("auto", "kafka", "kafka", True),
        ("auto", " Tansu ", "tansu", True),
        ("tansu", "kafka", "tansu", True),
        ("kafka", "tansu", "kafka", True),
    ],
)
def test_the_argument_comes_before_the_variable(
    complete: dict[str, str], argument: str, variable: str | None, name: str, ordered: bool
) -> None:
    env = complete if variable is None else {**complete, "INGEST_DEV_BROKER": variable}
    choice = choose_broker(argument, env)
    assert (choice.name, choice.ordered) == (name, ordered)


@pytest.mark.parametrize(
    ("argument", "env", "said"),
    [
        (
            "auto",
            {"INGEST_DEV_BROKER": "redpanda"},
            "INGEST_DEV_BROKER is 'redpanda'; it may be auto, kafka, tansu",
        ),
        ("rabbit", {}, "broker is 'rabbit'"),
    ],
)
def test_another_word_is_refused_with_those_that_exist(argument: str, env: dict[str, str], said: str) -> None:
    with pytest.raises(BrokerChoiceError, match=said):
        choose_broker(argument, env)


def test_auto_takes_kafka_where_it_can(place: Place, complete: dict[str, str]) -> None:
    said: list[str] = []
    broker = make_broker(choose_broker("auto", complete), place, say=said.append, env=complete)
    assert isinstance(broker, KafkaBroker)
    assert broker.label == "Apache Kafka 4.1.0"
    assert said == []


def test_auto_takes_tansu_without_java_and_says_why(place: Place, bare: dict[str, str]) -> None:
    said: list[str] = []
    broker = make_broker(choose_broker("auto", bare), place, say=said.append, env=bare)
    assert isinstance(broker, TansuBroker)
    assert broker.label.startswith("Tansu v0.6")
    assert len(said) == 1
    assert "Tansu, not Apache Kafka. Apache Kafka needs Java 17" in said[0]


def test_auto_takes_tansu_with_java_but_neither_jars_nor_maven(
    complete: dict[str, str], tmp_path: Path
) -> None:
    choice = choose_broker(
        "auto", {**complete, "INGEST_DEV_CACHE": str(tmp_path / "empty"), "PATH": _no_maven(complete)}
    )
    assert choice.name == "tansu"
    assert "no `mvn`" in choice.reason


def test_kafka_without_java_is_an_error(bare: dict[str, str]) -> None:
    with pytest.raises(MissingToolError, match="Apache Kafka needs Java 17 or newer"):
        choose_broker("kafka", bare)


def test_a_fetch_that_fails_is_tansu_unless_kafka_was_ordered(place: Place, complete: dict[str, str]) -> None:
    tools = complete["PATH"].partition(":")[0]
    (Path(tools) / "mvn").write_text("#!/bin/sh\necho 'Could not transfer artifact'; exit 1\n")
    (Path(tools) / "mvn").chmod(0o755)
    jar_folder(Path(complete["INGEST_DEV_CACHE"])).rmdir()
    said: list[str] = []

    broker = make_broker(choose_broker("auto", complete), place, say=said.append, env=complete)
    assert isinstance(broker, TansuBroker)
    assert "Could not transfer artifact" in said[-1]

    with pytest.raises(DownloadError, match="Could not transfer artifact"):
        make_broker(choose_broker("kafka", complete), place, say=said.append, env=complete)


def test_the_node_listens_on_loopback_only() -> None:
    settings = dict(line.split("=", 1) for line in server_properties(19001, 19002).splitlines())
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:19001,CONTROLLER://127.0.0.1:19002"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:19001"
    assert settings["auto.create.topics.enable"] == "false"


def test_cluster_ids_are_as_kafka_makes_them() -> None:
    ids = {new_cluster_id() for _ in range(200)}
    assert len(ids) == 200
    assert {len(one) for one in ids} == {22}
    assert not any(one.startswith("-") for one in ids)
