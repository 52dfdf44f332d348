"""Members of the group: who a client id says that it is."""

import pytest

from producer.members import _process_of, member_id
from producer.target import writer_name


@pytest.mark.parametrize("chosen", ["ingest", "team/ingest", "a:1/b:2"])
def test_a_member_is_known_by_its_process_whatever_client_id_was_chosen(chosen: str) -> None:
    assert _process_of(member_id(chosen)) == writer_name()


@pytest.mark.parametrize("client_id", ["", "ingest", "team/ingest", "ingest:17"])
def test_a_member_that_does_not_say_is_not_guessed_at(client_id: str) -> None:
    assert _process_of(client_id) is None
