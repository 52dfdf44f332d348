"""What a checkpoint holds, when it is due, and that it can be sent again."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from producer.checkpoint import Checkpoint, Limits
from producer.dead_letters import Letter
from tests.unit.producer.support import SettableClock

WIDE = Limits(1 << 30, 1 << 30, 1e9)
MESSAGES = st.lists(st.fixed_dictionaries({"key": st.binary(max_size=9), "value": st.binary(max_size=99)}))


@given(MESSAGES)
def test_packed_messages_are_the_same_again(messages: list[dict[str, Any]]) -> None:
    checkpoint = Checkpoint(WIDE)
    checkpoint.add(messages, [], 10, 0)
    assert [*checkpoint.messages(0)] == [*checkpoint.messages(0)] == ([messages] if messages else [])


def test_slices_can_be_sent_again_and_from_where_it_was_left() -> None:
    checkpoint = Checkpoint(WIDE)
    slices = [[{"key": b"%d" % n, "value": b"x" * n} for n in range(at, at + 3)] for at in (0, 3, 6)]
    for part in slices[:2]:
        checkpoint.add(part, [], 10, 0)
    assert list(checkpoint.messages(0)) == slices[:2]
    checkpoint.add(slices[2], [], 10, 0)
    assert list(checkpoint.messages(2)) == slices[2:]
    assert list(checkpoint.messages(0)) == slices
    assert (checkpoint.records, checkpoint.extracted) == (9, 9)


def test_it_is_due_by_count_by_bytes_and_by_the_age_of_its_first_item(clock: SettableClock) -> None:
    message = {"key": b"1", "value": b"x" * 10}
    by_count, by_bytes = (
        Checkpoint(Limits(2, 100, 5.0), clock=clock),
        Checkpoint(Limits(9, 30, 5.0), clock=clock),
    )
    assert not by_count
    assert by_count.due_in() == 5.0
    by_count.add([message], [], 10, 0)
    clock.forward(3.0)
    assert by_count.due_in() == 2.0
    by_count.add([], [Letter(b"{}", [])], 0, 4)
    assert by_count.due_in() == 0.0
    assert by_count.extracted == 6
    by_bytes.add([message], [Letter(b"x" * 25, [])], 10, 0)
    assert by_bytes.due_in() == 0.0
    aged = Checkpoint(Limits(9, 99, 5.0), clock=clock)
    aged.add([], [], 0, 1)
    clock.forward(6.0)
    assert aged
    assert aged.due_in() == 0.0
