"""One pass over a source, without a broker: what is committed together, and whose code runs meanwhile."""

import threading
from collections.abc import Callable, Iterator, Sequence
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
from producer.overlap import Overlap, versions_for
from producer.positions import Position
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
    connector: type[BaseConnector],
    publisher: Transactions,
    *,
    max_items: int = 100,
    records: int = 20_000,
    previous: Position | None = None,
    since: Any = None,
    topic: Sequence[dict[str, Any]] = (),
) -> RunReport:
    """A run; `topic` are the records that stand where it begins."""
    made = connector()
    contract, now = made.contract(), lambda: datetime.now(UTC)
    encoder = RecordEncoder(contract, build_schema(contract, Names()), 1)
    there = encoder.encode(
        [made.Record(**fields) for fields in topic], extracted_at=datetime.now(UTC), run_id="o"
    )
    overlap = Overlap(versions_for(made, encoder, since))
    overlap.read((one["key"], 0, one["value"]) for one in there)
    intake = Intake(made, encoder, run_id="r", now=now)
    target = SimpleNamespace(source="readings", topic="readings", max_message_bytes=MOST_BYTES)
    target.max_letter_bytes = MOST_BYTES
    ledger = SimpleNamespace(message=lambda entry: (b"", b""))
    run = Run(
        cast("Any", SimpleNamespace(connector=made, target=target, ledger=ledger)),
        cast("Any", publisher),
        Beginning(previous, since, {"readings": {0: 0}}, {}),
        overlap,
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
    with slices, overlap:
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


class Readings(BaseConnector):
    """`at` is its cursor; `place` its key."""

    name = "readings"
    key = "place"
    cursor = "at"
    items: tuple[Any, ...] = ()

    class Record(BaseModel):
        place: int
        at: int
        text: str = ""

    def extract(self, since: Any = None) -> Iterator[Any]:
        for item in self.items:
            if item is None:
                raise ValueError("a quota")
            yield item


def row(at: int, text: str = "", place: int | None = None) -> dict[str, Any]:
    return {"place": at if place is None else place, "at": at, "text": text}


AHEAD = Position(source="readings", run_id="r", at=datetime.now(UTC), cursor=29, high=99)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_record_that_changed_back_does_not_keep_the_cursor_from_moving(ordered: bool) -> None:
    """What an earlier run has published far ahead is not waited for."""
    items: list[Any] = [row(27, "one"), *map(row, range(28, 50)), None]
    if not ordered:
        items.insert(-1, Checkpoint(48))
    connector = type("Own", (Readings,), {"items": tuple(items), "ordered": ordered})
    there = [row(27, "one"), row(27, "two"), row(28), row(29), row(99)]
    publisher = Transactions()
    with pytest.raises(SourceError):
        consumed(connector, publisher, previous=AHEAD, since=24, topic=there, max_items=5)
    assert publisher.committed[-1][2] == (49 if ordered else 48)
    assert [key for keys, _, _ in publisher.committed for key in keys].count("27") == 1


def test_a_cursor_that_was_set_beyond_the_topic_does_not_let_go_what_is_held() -> None:
    """Three versions of each place, far from each other: nothing has changed back."""
    history = [row(at, str(at), place=at % 10) for at in range(30)]
    connector = type("Own", (Readings,), {"items": tuple(history), "ordered": True})
    position = AHEAD.model_copy(update={"cursor": 40, "high": 40})
    publisher = Transactions()
    report = consumed(connector, publisher, previous=position, since=-60, topic=history, max_items=3)
    assert (report.published, report.deduplicated) == (0, 30)
