"""Dead letters: the raw item whatever it is, and words that quote no value."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from producer.dead_letters import Rejected, as_json, letter
from schemas.errors import UnencodableRecordError

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Part(BaseModel):
    price: int
    token: SecretStr = SecretStr("s3cret")


class Order(BaseModel):
    parts: list[Part]


class Speechless:
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a_validation_error_names_the_field_s_path_and_not_the_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Order.model_validate({"parts": [{"price": 1}, {"price": "hunter2"}]})
    rejected = Rejected.for_error({}, "validation", caught.value)
    assert rejected.error == "ValidationError"
    assert rejected.message.startswith("parts[1].price: Input should be a valid integer")
    assert "hunter2" not in rejected.message


def test_an_unencodable_record_names_its_field() -> None:
    error = UnencodableRecordError(3, "Record.n", "is more than 64 bits")
    assert Rejected.for_error({}, "encoding", error).message == "Record.n is more than 64 bits"


def test_a_long_message_is_cut() -> None:
    assert len(Rejected.for_error({}, "transform", ValueError("x" * 100_000)).message) == 1000


@pytest.mark.parametrize(
    ("item", "read"),
    [
        ({"a": 1, "b": [None, 2.5]}, {"a": 1, "b": [None, 2.5]}),
        ({"when": AT, 5: Decimal("1.10")}, {"when": "2026-01-01T00:00:00Z", "5": "1.10"}),
        ({"raw": b"\xff\x00ab"}, {"raw": "\\xff\x00ab"}),
        ({"big": 2**70}, {"big": 2**70}),
        ({"half": "\ud800"}, {"half": "\ud800"}),
        ({"set": {1}}, {"set": [1]}),
        (Part(price=1), {"price": 1, "token": "**********"}),
        ("plain", "plain"),
        (None, None),
    ],
)
def test_any_item_becomes_json(item: Any, read: Any) -> None:
    assert json.loads(as_json(item)) == read


def test_an_item_that_cannot_be_said_at_all_is_still_written() -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    assert "repr" in json.loads(as_json(circle))
    assert json.loads(as_json({"x": Speechless()})) == {"x": "<Speechless without text>"}


class Unreadable(dict[str, int]):
    def items(self) -> Any:
        raise KeyError("not today")


def test_an_item_that_raises_when_it_is_read_is_still_written() -> None:
    assert json.loads(as_json([Unreadable(a=1), 2**70])) == {"repr": "[{'a': 1}, 1180591620717411303424]"}


def test_headers_tell_what_a_reader_needs() -> None:
    rejected = Rejected({"a": 1}, "validation", "ValidationError", "a: wrong")
    written = letter(rejected, source="weather", run_id="r1", at=AT, max_bytes=1000)
    assert dict(written.headers) == {
        "reason": b"validation",
        "stage": b"producer",
        "source": b"weather",
        "run_id": b"r1",
        "error": b"ValidationError",
        "message": b"a: wrong",
        "at": b"2026-01-01T00:00:00+00:00",
    }


@pytest.mark.parametrize("text", ["x" * 10_000, '"' * 10_000, "\\" * 10_000, "é" * 10_000, "\x00" * 10_000])
def test_an_item_too_large_for_the_topic_is_cut_and_says_so(text: str) -> None:
    written = letter(
        Rejected({"text": text}, "oversized", "E", "m"), source="s", run_id="r", at=AT, max_bytes=3000
    )
    assert len(written.value) <= 3000
    read = json.loads(written.value)
    assert read["truncated"] is True
    assert read["bytes"] > 10_000
    assert read["head"].startswith('{"text":')
