"""The stack as a whole: everything answers on loopback, ends with its supervisor, comes back as it was."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.broker.metadata import missing_metadata
from devstack.errors import FolderInUseError, PartDiedError
from devstack.ports import is_free
from devstack.stack import DevStack
from tests.integration.devstack_stack.clients import Clients

DEADLINE_SECONDS = 60
SCHEMA = {"schema": json.dumps({"type": "record", "name": "Record", "fields": []})}


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevStack]:
    """A stack that these tests may break, unlike the one that all tests share."""
    with DevStack(tmp_path_factory.mktemp("own")) as stack:
        yield stack


@contextmanager
def supervised(
    folder: Path, broker: str = "auto"
) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """Run `python -m devstack`; yield the process and what it printed when all parts answered."""
    command = [sys.executable, "-m", "devstack", "--folder", str(folder), "--broker", broker, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        try:
            yield supervisor, json.loads(supervisor.stdout.readline())
        finally:
            supervisor.terminate()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


def query(stack: DevStack, statement: str) -> str:
    answer = httpx.post(stack.clickhouse.url, content=statement, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.text.strip()


def children_of(pid: int) -> set[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True
    )
    return {int(word) for word in found.stdout.split()} - {os.getpid()}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def listening(pid: int) -> set[str]:
    """Return the local addresses (hex, as the kernel writes them) on which the process listens for TCP."""
    sockets = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()
    ]
    return {
        line[1].partition(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets
    }


def test_every_part_answers_at_its_address(own_stack: DevStack) -> None:
    addresses = own_stack.addresses
    assert missing_metadata(int(addresses.bootstrap_servers.rpartition(":")[2])) is None
    assert httpx.get(f"{addresses.registry_url}/subjects").json() == []
    assert query(own_stack, "SELECT 1") == "1"
    assert httpx.get(f"{addresses.upstream_url}/faults").json()["429"] == 0
    assert addresses.broker.startswith("Apache Kafka" if addresses.kafka else "Tansu")


def test_the_environment_leads_to_it(own_stack: DevStack) -> None:
    variables = own_stack.environment()
    addresses = own_stack.addresses
    assert variables["INGEST_KAFKA__BOOTSTRAP_SERVERS"] == addresses.bootstrap_servers
    assert variables["INGEST_REGISTRY__URL"] == addresses.registry_url
    assert variables["INGEST_CLICKHOUSE__URL"] == addresses.clickhouse_url
    assert variables["INGEST_SOURCES__WEATHER__BASE_URL"] == addresses.upstream_url
    assert ("session.timeout.ms" in variables.get("INGEST_KAFKA__PROPERTIES", "")) is not addresses.kafka


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's list of sockets")
def test_nothing_listens_beyond_loopback(own_stack: DevStack) -> None:
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    for part in own_stack.parts:
        assert part.pid is not None
        found = listening(part.pid)
        assert found, f"{part.name} listens nowhere"
        assert found <= loopback, f"{part.name} listens on {found}"


def test_a_second_stack_in_the_folder_is_refused(own_stack: DevStack) -> None:
    second = DevStack(own_stack.folder)
    with pytest.raises(FolderInUseError, match=f"in use by the dev stack of process {os.getpid()}"), second:
        pytest.fail("two stacks in one folder")


@pytest.mark.parametrize("part", ["registry", "clickhouse"])
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_part_comes_back_with_its_data_at_its_address(own_stack: DevStack, part: str, end: str) -> None:
    word = f"{part}_{end}"
    httpx.post(f"{own_stack.registry.url}/subjects/{word}/versions", json=SCHEMA).raise_for_status()
    query(
        own_stack,
        f"CREATE TABLE {word} (a Int32) ENGINE = MergeTree ORDER BY a SETTINGS fsync_after_insert = 1",
    )
    query(own_stack, f"INSERT INTO {word} VALUES (7)")
    before = own_stack.addresses

    getattr(getattr(own_stack, part), end)()
    own_stack.raise_if_died()
    getattr(own_stack, part).start()

    assert own_stack.addresses == before
    assert word in httpx.get(f"{own_stack.registry.url}/subjects").json()
    assert query(own_stack, f"SELECT a FROM {word}") == "7"


def test_a_part_that_ends_by_itself_is_noticed(own_stack: DevStack) -> None:
    assert own_stack.upstream is not None
    assert own_stack.upstream.pid is not None
    os.kill(own_stack.upstream.pid, signal.SIGKILL)
    wait_until(lambda: own_stack.upstream is not None and not own_stack.upstream.running)
    with pytest.raises(PartDiedError, match="upstream was killed by signal 9"):
        own_stack.raise_if_died()
    own_stack.upstream.start()
    own_stack.raise_if_died()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_killing_the_supervisor_leaves_no_process_and_the_folder_usable(tmp_path: Path) -> None:
    with supervised(tmp_path / "stack") as (supervisor, printed):
        children = children_of(supervisor.pid)
        assert len(children) == 4
        supervisor.kill()
        wait_until(lambda: not any(map(alive, children)))

    with DevStack(tmp_path / "stack") as again:
        assert again.addresses.bootstrap_servers == printed["bootstrap_servers"]


@pytest.mark.parametrize(("number", "broker"), [(signal.SIGTERM, "auto"), (signal.SIGINT, "tansu")])
def test_a_signal_ends_everything_and_is_no_failure(
    tmp_path: Path, number: signal.Signals, broker: str
) -> None:
    with supervised(tmp_path, broker) as (supervisor, printed):
        children = children_of(supervisor.pid)
        supervisor.send_signal(number)
        assert supervisor.wait(DEADLINE_SECONDS) == 0
    assert not any(map(alive, children))
    assert is_free(int(printed["bootstrap_servers"].rpartition(":")[2]))


@pytest.mark.requires_kafka
def test_the_brokers_records_outlive_the_stack(tmp_path: Path) -> None:
    with DevStack(tmp_path, broker="kafka", upstream=False) as first:
        clients = Clients(first.broker)
        clients.create_topic("kept")
        clients.produce("kept", b"record")
        before = first.addresses
    with DevStack(tmp_path, broker="kafka", upstream=False) as second:
        assert second.addresses == before
        assert Clients(second.broker).read("kept", 1) == [b"record"]


def test_a_stack_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "registry").write_text("a file where the registry keeps its folder")
    done = subprocess.run(
        [sys.executable, "-m", "devstack", "--folder", str(tmp_path), "--broker", "tansu"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "registry" in done.stderr
    assert "Traceback" not in done.stderr
