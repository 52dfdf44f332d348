"""Intake: slices made into messages at once, items that fail on their own, transforms in the generator's
thread.
"""

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, field_validator

from connectors.base import BaseConnector
from producer.intake import Batch, Intake
from schemas.avro import build_schema
from schemas.encoder import RecordEncoder
from schemas.names import Names
from tests.unit.producer.support import START


class Plain(BaseConnector):
    name = "plain"
    key = "id"
    cursor: ClassVar[str | None] = None

    class Record(BaseModel):
        id: int
        text: str = ""

        @field_validator("text")
        @classmethod
        def _explode(cls, text: str) -> str:
            if text == "boom":
                raise ZeroDivisionError("no ValueError")
            return text

    def extract(self, since: Any = None) -> Iterator[Any]:
        yield from ({"id": number} for number in range(3))


class Renaming(Plain):
    name = "renaming"
    threads: set[str]

    def transform(self, item: Any) -> BaseModel:
        self.threads.add(threading.current_thread().name)
        if item == 13:
            raise KeyError("unlucky")
        if item == 14:
            return item  # type: ignore[no-any-return]  # what a careless author does
        return self.Record(id=item)


def intake_of(connector: BaseConnector) -> Intake:
    contract = connector.contract()
    encoder = RecordEncoder(contract, build_schema(contract, Names()), 7)
    return Intake(connector, encoder, run_id="run", now=lambda: START)


def ids(batch: Batch) -> list[str]:
    return [message["key"].decode() for message in batch.messages]


def test_a_clean_slice_becomes_messages_at_once() -> None:
    batch = intake_of(Plain()).batch([{"id": "1"}, {"id": 2, "text": "two"}])
    assert ids(batch) == ["1", "2"]
    assert batch.messages[1]["value"].endswith(b"\x04\x06two")
    assert (batch.extracted, batch.rejected) == (2, [])


@pytest.mark.parametrize("garbage", [{"id": "one"}, None, 7, [], "x", {"id": 1, "text": "boom"}, object()])
def test_one_bad_item_is_rejected_alone(garbage: Any) -> None:
    good = [{"id": 1}, {"id": 3}]
    batch = intake_of(Plain()).batch([good[0], garbage, good[1]])
    assert ids(batch) == ["1", "3"]
    assert batch.items == good
    assert batch.extracted == 3
    [rejected] = batch.rejected
    assert rejected.item is garbage
    assert rejected.reason == "validation"


def test_records_pass_as_they_are() -> None:
    assert ids(intake_of(Plain()).batch([Plain.Record(id=5)])) == ["5"]


def test_records_that_avro_cannot_carry_are_rejected_alone() -> None:
    items = [{"id": 1}, {"id": 1 << 64}, {"id": 3}, {"id": -(1 << 64)}, {"id": 1 << 65}, {"id": 6}]
    batch = intake_of(Plain()).batch(items)
    assert ids(batch) == ["1", "3", "6"]
    assert batch.items == [items[0], items[2], items[5]]
    assert [(each.item, each.reason) for each in batch.rejected] == [
        (items[1], "encoding"),
        (items[3], "encoding"),
        (items[4], "encoding"),
    ]


def test_values_of_the_cursor_stand_beside_the_messages_they_belong_to() -> None:
    class Numbered(Plain):
        cursor = "id"

    batch = intake_of(Numbered()).batch([{"id": 4}, {"id": "no"}, {"id": 1 << 64}, {"id": 2}])
    assert batch.cursors == [4, 2]
    assert ids(batch) == ["4", "2"]
    assert intake_of(Plain()).batch([{"id": 4}]).cursors == []


def test_an_own_transform_fails_item_by_item_and_runs_where_the_generator_runs() -> None:
    connector = Renaming()
    connector.threads = set()
    intake = intake_of(connector)
    connector.extract = lambda since=None: iter([1, 13, 14, 4])  # type: ignore[method-assign]
    pairs: list[Any] = []
    reader = threading.Thread(target=lambda: pairs.extend(intake.open(None)), name="extract-renaming")
    reader.start()
    reader.join()
    batch = intake.batch(pairs)
    assert connector.threads == {"extract-renaming"}
    assert ids(batch) == ["1", "4"]
    assert batch.items == [1, 4]
    assert [(each.item, each.reason, each.error) for each in batch.rejected] == [
        (13, "transform", "KeyError"),
        (14, "transform", "TypeError"),
    ]
    assert "transform returned int instead of Record" in batch.rejected[1].message


@pytest.mark.parametrize("connector", [Plain, Renaming])
@pytest.mark.parametrize("garbage", [None, 7, "text", b"bytes", {"a": 1}, object()])
def test_what_is_no_stream_of_items_is_refused_with_words(
    connector: type[BaseConnector], garbage: Any
) -> None:
    careless = connector()
    careless.extract = lambda since=None: garbage  # type: ignore[method-assign]
    with pytest.raises(TypeError, match="must yield its items one by one"):
        intake_of(careless).open(None)


def test_a_list_is_transformed_where_the_generator_runs_too() -> None:
    connector = Renaming()
    connector.threads = set()
    connector.extract = lambda since=None: [1, 2]  # type: ignore[method-assign,assignment,return-value]
    intake = intake_of(connector)
    pairs = list(intake.open(None))
    assert connector.threads == {threading.current_thread().name}
    connector.threads.clear()
    assert ids(intake.batch(pairs)) == ["1", "2"]
    assert connector.threads == set()


class Speechless(Exception):
    def __str__(self) -> str:
        raise Speechless


def test_an_error_without_words_rejects_its_item_alone() -> None:
    class Rude(Renaming):
        def transform(self, item: Any) -> BaseModel:
            if item == 2:
                raise Speechless
            return self.Record(id=item)

    intake = intake_of(Rude())
    connector_items = [intake._pair(item) for item in (1, 2, 3)]  # noqa: SLF001 - as `open` makes them
    batch = intake.batch(connector_items)
    assert ids(batch) == ["1", "3"]
    assert [(each.item, each.message) for each in batch.rejected] == [(2, "Speechless")]


def test_closing_the_transformed_items_closes_the_connector_s_generator() -> None:
    closed = []

    class Closing(Renaming):
        def extract(self, since: Any = None) -> Iterator[Any]:
            try:
                yield from range(10)
            finally:
                closed.append(True)

    connector = Closing()
    connector.threads = set()
    items = iter(intake_of(connector).open(None))
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed == [True]
