"""Confluent's framing."""

import pytest

from schemas.errors import FramingError
from schemas.wire import FRAME_SIZE, frame, split_frame


@pytest.mark.parametrize("schema_id", [1, 7, 2**31 - 1, 2**32 - 1])
def test_a_framed_body_comes_apart_again(schema_id: int) -> None:
    value = frame(schema_id, b"body")
    assert value[:1] == b"\0"
    assert int.from_bytes(value[1:FRAME_SIZE], "big") == schema_id
    assert split_frame(value) == (schema_id, b"body")


@pytest.mark.parametrize("value", [b"", b"\0", b"\0\0\0\1"])
def test_a_short_value_is_refused(value: bytes) -> None:
    with pytest.raises(FramingError, match="too short"):
        split_frame(value)


def test_another_magic_byte_is_refused_with_what_was_found() -> None:
    with pytest.raises(FramingError, match=r"0x7b, not 0x00.*7b 22 61"):
        split_frame(b'{"a": 1, "b": 2}')
