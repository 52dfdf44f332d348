"""Members of the group: who a client id says that it is."""

import subprocess
import sys

import pytest

from producer.members import _process_of, member_id
from producer.target import process_name, writer_name


@pytest.mark.parametrize("chosen", ["ingest", "team/ingest", "a:1/b:2"])
def test_a_member_is_known_by_its_process_whatever_client_id_was_chosen(chosen: str) -> None:
    assert _process_of(member_id(chosen)) == process_name()


def test_a_process_is_told_from_one_before_it_of_the_same_host_and_number() -> None:
    ask = "from producer.target import process_name; print(process_name())"
    runs = [subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True) for _ in "ab"]
    names = [run.stdout for run in runs]
    assert len({name.strip().rpartition(b"-")[2] for name in names}) == 2
    assert process_name().startswith(writer_name())
    assert process_name() == process_name()


def test_a_member_of_an_older_version_is_known_by_host_and_number() -> None:
    assert _process_of("ingest/web-1:17") == "web-1:17"


@pytest.mark.parametrize("client_id", ["", "ingest", "team/ingest", "ingest:17"])
def test_a_member_that_does_not_say_is_not_guessed_at(client_id: str) -> None:
    assert _process_of(client_id) is None
