"""The jars are in the cache complete or not at all, fetched once by who comes first. Maven is a script."""

import threading
from pathlib import Path

import pytest

from devstack.broker.jars import cache_folder, ensure_jars, jar_folder, kafka_version
from devstack.errors import DownloadError, MissingToolError

GOOD = """
for argument in "$@"; do case "$argument" in -DoutputDirectory=*) target="${argument#*=}" ;; esac; done
mkdir -p "$target" && sleep 0.2 && echo jar > "$target/kafka_2.13-9.jar"
echo call >> "$(dirname "$0")/calls"
"""
HALF = """
for argument in "$@"; do case "$argument" in -DoutputDirectory=*) target="${argument#*=}" ;; esac; done
mkdir -p "$target" && echo jar > "$target/kafka_2.13-9.jar"; echo "Could not transfer artifact"; exit 1
"""


class Machine:
    """A cache folder and a PATH with a Maven that runs `script`, and what was said."""

    def __init__(self, tmp_path: Path, script: str | None) -> None:
        self.cache = tmp_path / "cache"
        self.tools = tmp_path / "tools"
        self.tools.mkdir()
        self.said: list[str] = []
        if script is not None:
            (self.tools / "mvn").write_text(f"#!/bin/sh\n{script}")
            (self.tools / "mvn").chmod(0o755)

    def ensure(self) -> Path:
        env = {"PATH": str(self.tools)}
        return ensure_jars(self.cache, say=self.said.append, env=env)

    def calls(self) -> int:
        return len((self.tools / "calls").read_text().splitlines())


def test_a_first_start_fetches_and_says_so(tmp_path: Path) -> None:
    machine = Machine(tmp_path, GOOD)
    libs = machine.ensure()
    assert libs == jar_folder(machine.cache)
    assert [path.name for path in libs.iterdir()] == ["kafka_2.13-9.jar"]
    assert len(machine.said) == 1
    assert f"fetching Apache Kafka {kafka_version()} with Maven" in machine.said[0]


def test_a_second_start_fetches_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, GOOD)
    machine.ensure()
    (machine.tools / "mvn").unlink()
    machine.said.clear()
    assert machine.ensure().is_dir()
    assert machine.said == []


def test_starts_at_the_same_time_fetch_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path, GOOD)
    threads = [threading.Thread(target=machine.ensure) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert jar_folder(machine.cache).is_dir()
    assert machine.calls() == 1


def test_a_failed_fetch_leaves_nothing_that_looks_complete(tmp_path: Path) -> None:
    machine = Machine(tmp_path, HALF)
    with pytest.raises(DownloadError, match=r"exit code 1.*maven\.log(?s:.*)Could not transfer artifact"):
        machine.ensure()
    assert not jar_folder(machine.cache).exists()
    assert not [path for path in machine.cache.iterdir() if path.is_dir()]


def test_the_rest_of_a_fetch_that_was_killed_is_removed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, GOOD)
    rest = machine.cache / f".{jar_folder(machine.cache).name}-abc" / "libs"
    rest.mkdir(parents=True)
    machine.ensure()
    assert [path for path in machine.cache.iterdir() if path.is_dir()] == [jar_folder(machine.cache)]


def test_a_maven_that_fetches_nothing_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="left no Kafka jar"):
        Machine(tmp_path, "exit 0").ensure()


def test_no_maven_and_no_jars_is_a_missing_tool(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match="no `mvn`"):
        Machine(tmp_path, None).ensure()


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path: Path) -> None:
    machine = Machine(tmp_path, GOOD)
    machine.cache.write_text("a file, not a folder")
    with pytest.raises(MissingToolError, match="INGEST_DEV_CACHE"):
        machine.ensure()


def test_the_cache_is_where_the_variable_says(tmp_path: Path) -> None:
    assert cache_folder({"INGEST_DEV_CACHE": str(tmp_path)}) == tmp_path
    assert cache_folder({}).name == "ingest"
