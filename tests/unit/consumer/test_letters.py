from typing import Any

import pytest

from consumer.assignment import Assigned
from consumer.container import Place, Row
from consumer.epochs import TopicId
from consumer.letters import Doubt, letter, unframed
from tests.unit.consumer.conftest import TOPIC, MakeMessage

ASSIGNED = Assigned(TOPIC, 2, TopicId("an-id", 5))
ROW = Row(Place((1 << 32) + 6, 5, 2), offset=44, time=1_700_000_000_123, value=b"\0\0\0\0\7broken")


def _own(headers: list[tuple[str, Any]]) -> dict[str, bytes]:
    return dict(headers)


def test_a_letter_carries_the_record_as_it_was_and_where_it_stood(message: MakeMessage) -> None:
    original = message(
        44, ROW.value, partition=2, key=b"a-key", headers=[("trace", b"1"), ("reason", b"theirs")]
    )
    written = letter(ASSIGNED, Doubt(ROW, "undecodable", "2 bytes are left over"), original)
    assert (written.key, written.value) == (b"a-key", ROW.value)
    headers = written.all_headers()
    assert headers[:2] == [("trace", b"1"), ("reason", b"theirs")]
    assert _own(headers[2:]) == {
        "reason": b"undecodable",
        "stage": b"consumer",
        "error": b"2 bytes are left over",
        "topic": TOPIC.encode(),
        "topic_id": b"an-id",
        "partition": b"2",
        "offset": b"44",
        "log_timestamp": b"1700000000123",
        "leader_epoch": b"6",
        "generation": b"1",
    }


def test_a_record_gone_from_its_topic_keeps_its_value_and_says_what_is_lost() -> None:
    written = letter(ASSIGNED, Doubt(ROW, "refused", "395"), None)
    assert (written.key, written.value) == (None, ROW.value)
    assert _own(written.all_headers())["key_lost"] == b"true"


@pytest.mark.parametrize(
    ("value", "reason"), [(None, "null_value"), (b"", "not_framed"), (b"\1\0\0\0\7", "not_framed")]
)
def test_messages_without_framing_say_which_way(
    message: MakeMessage, value: bytes | None, reason: str
) -> None:
    written = unframed(ASSIGNED, message(9, value, partition=2, key=b"k"))
    assert (written.reason, written.value, written.key, written.offset) == (reason, value, b"k", 9)


def test_a_long_error_is_cut(message: MakeMessage) -> None:
    written = letter(ASSIGNED, Doubt(ROW, "refused", "x" * 5000), None)
    assert len(_own(written.all_headers())["error"]) == 1000
