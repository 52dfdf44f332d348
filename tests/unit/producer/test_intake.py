"""Intake: slices validated at once, items that fail on their own, transforms in the generator's thread."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from connectors.base import BaseConnector
from producer.intake import Intake


class Plain(BaseConnector):
    name = "plain"

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


def test_a_clean_slice_is_validated_at_once() -> None:
    sorted_ = Intake(Plain()).sort([{"id": "1"}, {"id": 2, "text": "two"}])
    assert [record.model_dump() for record in sorted_.records] == [
        {"id": 1, "text": ""},
        {"id": 2, "text": "two"},
    ]
    assert sorted_.rejected == []


@pytest.mark.parametrize("garbage", [{"id": "one"}, None, 7, [], "x", {"id": 1, "text": "boom"}, object()])
def test_one_bad_item_is_rejected_alone(garbage: Any) -> None:
    good = [{"id": 1}, {"id": 3}]
    sorted_ = Intake(Plain()).sort([good[0], garbage, good[1]])
    assert [record.model_dump()["id"] for record in sorted_.records] == [1, 3]
    assert list(sorted_.items) == good
    [rejected] = sorted_.rejected
    assert rejected.item is garbage
    assert rejected.reason == "validation"


def test_records_pass_as_they_are() -> None:
    record = Plain.Record(id=5)
    assert Intake(Plain()).sort([record]).records == [record]


def test_an_own_transform_fails_item_by_item_and_runs_where_the_generator_runs() -> None:
    connector = Renaming()
    connector.threads = set()
    intake = Intake(connector)
    connector.extract = lambda since=None: iter([1, 13, 14, 4])  # type: ignore[method-assign]
    pairs: list[Any] = []
    reader = threading.Thread(target=lambda: pairs.extend(intake.open(None)), name="extract-renaming")
    reader.start()
    reader.join()
    sorted_ = intake.sort(pairs)
    assert connector.threads == {"extract-renaming"}
    assert [record.model_dump()["id"] for record in sorted_.records] == [1, 4]
    assert list(sorted_.items) == [1, 4]
    assert [(each.item, each.reason, each.error) for each in sorted_.rejected] == [
        (13, "transform", "KeyError"),
        (14, "transform", "TypeError"),
    ]
    assert "transform returned int instead of Record" in sorted_.rejected[1].message


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
    items = iter(Intake(connector).open(None))
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed == [True]
