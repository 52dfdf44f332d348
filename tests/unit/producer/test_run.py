"""One pass over a source, without a broker: what is committed together, and whose code runs meanwhile."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import BaseModel, field_validator

from connectors import Checkpoint
from connectors.base import BaseConnector
from producer.checkpoint import Limits
from producer.errors import SourceError
from producer.intake import Batch, Intake
from producer.overlap import Overlap
from producer.publisher import Closing
from producer.run import Beginning, Run, RunReport
from producer.slices import Slices
from schemas.avro import build_schema
from schemas.encoder import RecordEncoder
from schemas.names import Names
from schemas.records import JobPayload

MOST_BYTES = 1000


class Transactions:
    """A publisher that keeps keys and letters of each checkpoint, with its cursor."""

    def __init__(self) -> None:
        self.open = False
        self.committed: list[tuple[list[str], list[str], Any]] = []

    def send(self, checkpoint: Any) -> bool:
        self.open = True
        return True

    def publish(self, checkpoint: Any, close: Callable[[Any], Closing]) -> Closing:
        closing = close({"readings": {0: 1 + len(self.committed)}})
        keys = [one["key"].decode() for part in checkpoint.messages(0) for one in part]
        letters = [letter.value.decode() for letter in checkpoint.letters]
        self.committed.append((keys, letters, closing.position.cursor))
        self.open = False
        return closing


class Page(BaseModel):
    number: int = 0


def consumed(
    connector: type[BaseConnector], publisher: Transactions, *, max_items: int = 100, records: int = 20_000
) -> RunReport:
    contract, now = connector.contract(), lambda: datetime.now(UTC)
    encoder = RecordEncoder(contract, build_schema(contract, Names()), 1)
    intake = Intake(connector(), encoder, run_id="r", now=now)
    target = SimpleNamespace(source="readings", topic="readings", max_message_bytes=MOST_BYTES)
    target.max_letter_bytes = MOST_BYTES
    ledger = SimpleNamespace(message=lambda entry: (b"", b""))
    run = Run(
        cast("Any", SimpleNamespace(connector=connector(), target=target, ledger=ledger)),
        cast("Any", publisher),
        Beginning(None, None, {"readings": {0: 0}}, None),
        Overlap(),
        job=JobPayload(source="readings"),
        run_id="r",
        writer="here",
        limits=Limits(records, 1 << 30, 60.0),
        now=now,
    )
    slices: Slices[Any, Batch] = Slices(
        "readings",
        lambda: intake.open(None),
        intake.batch,
        max_items=max_items,
        max_seconds=10.0,
        weigh=lambda batch: batch.weight,
    )
    with slices:
        return run.consume(slices)


def paged(*items: Any) -> type[BaseConnector]:
    class Readings(BaseConnector):
        name = "readings"
        key = "id"
        State = Page

        class Record(BaseModel):
            id: int
            text: str = ""

        def extract(self, since: Any = None) -> Iterator[Any]:
            for item in items:
                if item is None:
                    raise ValueError("cut short")
                yield item

    return Readings


def test_what_is_rejected_is_committed_with_what_came_beside_it() -> None:
    """Else its dead letter stands before the ends of an older cursor, and the next run writes it again."""
    publisher = Transactions()
    long = {"id": 4, "text": "x" * 2 * MOST_BYTES}
    pages = [Checkpoint(Page(number=number)) for number in (1, 2)]
    items = ({"id": 1}, pages[0], {"id": "bad"}, {"id": 2}, long, pages[1], {"id": "worse"}, {"id": 3}, None)
    with pytest.raises(SourceError):
        consumed(paged(*items), publisher)
    (first, none, one), (second, letters, two), (third, last, stored) = publisher.committed
    assert (first, none, one) == (["1"], [], {"number": 1})
    assert (second, two) == (["2"], {"number": 2})
    assert ['"bad"' in letter for letter in letters] == [True, False]
    assert len(letters) == 2
    assert (third, stored) == (["3"], {"number": 2})
    assert ['"worse"' in letter for letter in last] == [True]


def test_no_validator_runs_in_the_run_s_own_thread_while_its_transaction_is_open() -> None:
    publisher, inside = Transactions(), []

    class Readings(BaseConnector):
        name = "readings"
        key = "id"

        class Record(BaseModel):
            id: int

            @field_validator("id")
            @classmethod
            def looked_at(cls, value: int) -> int:
                if threading.current_thread() is threading.main_thread():
                    inside.append(publisher.open)
                return value

        def extract(self, since: Any = None) -> Iterator[Any]:
            yield from ({"id": number} for number in range(1099))

    report = consumed(Readings, publisher)
    assert (report.published, report.completed) == (1099, True)
    assert inside
    assert not any(inside)
