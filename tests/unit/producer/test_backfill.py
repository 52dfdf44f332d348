"""Backfill: how it is cut into slices, where it goes on, and what the position remembers of it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from connectors import Checkpoint
from connectors.base import BaseConnector
from connectors.errors import UntilError
from producer.backfill import MOST, Backfill, Window, backfill_id, windows
from producer.intake import Batch, Intake
from producer.positions import Position
from schemas.avro import build_schema
from schemas.encoder import RecordEncoder
from schemas.names import Names
from schemas.records import JobPayload
from tests.unit.producer.support import START


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


DAY, A_DAY = date(2026, 3, 1), timedelta(days=1)


@pytest.mark.parametrize(
    ("since", "until", "step", "expected"),
    [
        (0, 30, 10, [(0, 10), (10, 20), (20, 30)]),
        (5, 26, 10, [(5, 15), (15, 25), (25, 26)]),
        (5, 6, 10, [(5, 6)]),
        (5, 99, None, [(5, 99)]),
        (0, 10**18 + 1, 10**18, [(0, 10**18), (10**18, 10**18 + 1)]),
        (Decimal(1), Decimal("2.5"), Decimal(1), [(1, 2), (2, Decimal("2.5"))]),
        # The clocks of most of Europe went on in the night of March 29.
        (at(28), at(30), timedelta(days=1), [(at(28), at(29)), (at(29), at(30))]),
        (at(28, 22), at(29, 9), timedelta(hours=6), [(at(28, 22), at(29, 4)), (at(29, 4), at(29, 9))]),
        (DAY, DAY + 9 * A_DAY, 7 * A_DAY, [(DAY, DAY + 7 * A_DAY), (DAY + 7 * A_DAY, DAY + 9 * A_DAY)]),
        ("a", "k", None, [("a", "k")]),
    ],
)
def test_slices_meet_and_the_last_one_ends_at_until(
    since: Any, until: Any, step: Any, expected: list[tuple[Any, Any]]
) -> None:
    found = list(windows(since, until, step))
    assert [(window.since, window.until) for window in found] == expected
    assert [(window.number, window.of) for window in found] == [
        (number, len(expected)) for number in range(1, len(expected) + 1)
    ]


def test_a_slice_has_its_first_value_and_not_its_last() -> None:
    window = Window(1, 1, 10, 20)
    assert [window.place(value) for value in (9, 10, 19, 20, 21)] == [-1, 0, 0, 1, 1]
    with pytest.raises(UntilError, match="does not compare"):
        window.place("9")


class Numbered(BaseConnector):
    name = "numbered"
    key = "id"
    cursor = "id"
    slice: ClassVar[Any] = 10
    items: ClassVar[list[Any]] = []
    asked: ClassVar[list[Any]] = []
    closed: ClassVar[list[Any]] = []

    class Record(BaseModel):
        id: int
        text: str = ""

    def extract(self, since: Any = None, until: Any = None) -> Iterator[Any]:
        self.asked.append((since, until))
        try:
            yield from self.items
        finally:
            self.closed.append((since, until))


class Ordered(Numbered):
    ordered = True


class Endless(Numbered):
    slice = None

    def extract(self, since: Any = None) -> Iterator[Any]:  # type: ignore[override]
        yield from super().extract(since)


class EndlessOrdered(Endless):
    ordered = True


class Own(Numbered):
    def transform(self, item: Any) -> BaseModel:
        return self.Record(id=item["id"], text="own")


JOB = JobPayload(source="numbered", since=0, until=25, job_id="j")


def position(**backfills: Any) -> Position:
    return Position(source="numbered", run_id="r", at=START, backfills=backfills)


def test_it_goes_on_where_the_position_says() -> None:
    fresh = Backfill(Numbered, JOB, None)
    assert (fresh.begin, fresh.slices, fresh.done) == (0, 3, 0)
    again = Backfill(Numbered, JOB, position(other=3, j=10))
    assert (again.begin, again.slices, again.done) == (10, 3, 1)
    assert [(each.number, each.since, each.until) for each in again.windows()] == [(2, 10, 20), (3, 20, 25)]
    within = Backfill(Numbered, JOB, position(j=13))
    assert [(each.number, each.since, each.until) for each in within.windows()] == [(2, 13, 20), (3, 20, 25)]
    over = Backfill(Numbered, JOB, position(j=25))
    assert (list(over.windows()), over.done) == ([], 3)


def test_each_slice_is_told_once_it_is_committed() -> None:
    backfill = Backfill(Numbered, JOB, None)
    with capture_logs() as logs:
        backfill.committed(3, 3)
        backfill.reach(10)
        backfill.committed(7, 6)
        backfill.reach(20)
        backfill.committed(7, 6)
        backfill.committed(9, 8)
    assert [(each["slice"], each["of"], each["extracted"], each["records"]) for each in logs] == [
        (1, 3, 7, 6),
        (2, 3, 0, 0),
    ]
    assert backfill.facts() == {"until": 25, "slices": 3, "slices_done": 2}


def test_only_an_ordered_source_is_as_far_as_its_records() -> None:
    plain, ordered = Backfill(Numbered, JOB, None), Backfill(Ordered, JOB, None)
    for each in (plain, ordered):
        each.see([7, 8])
    assert plain.stored({}, completed=False) == {"j": 0}
    assert ordered.stored({}, completed=False) == {"j": 8}


def test_the_position_remembers_the_latest_ones_until_they_are_over() -> None:
    backfill = Backfill(Numbered, JOB, None)
    many = {f"job {number}": number for number in range(MOST)}
    kept = backfill.stored(many, completed=False)
    assert list(kept) == [*list(many)[1:], "j"]
    assert backfill.stored(kept, completed=True) == dict(list(many.items())[1:])


def test_the_same_bounds_are_the_same_job_however_they_are_written() -> None:
    assert backfill_id(Numbered, "0", 25) == backfill_id(Numbered, 0, "25") == "backfill numbered 0 25"
    assert backfill_id(Numbered, 0, 26) != backfill_id(Numbered, 0, 25)


def bounded(connector: type[Numbered], items: list[Any]) -> tuple[list[str], list[Any], Batch]:
    """Ids, what the intake opened gave, and the batch of it; fresh lists of what was asked."""
    cls: Any = type("Given", (connector,), {"items": items, "asked": [], "closed": []})
    contract = cls.contract()
    intake = Intake(
        cls(),
        RecordEncoder(contract, build_schema(contract, Names()), 7),
        run_id="run",
        now=lambda: START,
        backfill=Backfill(cls, JOB, None),
    )
    given = list(intake.open(None))
    batch = intake.batch(given)
    assert cls.asked == cls.closed
    return [message["key"].decode() for message in batch.messages], cls.asked, batch


def numbers(*ids: int) -> list[Any]:
    return [{"id": number} for number in ids]


def test_each_slice_is_extracted_and_takes_only_its_own_records() -> None:
    """As from an API whose pages overlap, and whose `until` is inclusive."""
    ids, asked, batch = bounded(Numbered, numbers(25, 3, 10, 24, -1, 19))
    assert asked == [(0, 10), (10, 20), (20, 25)]
    assert ids == ["3", "10", "19", "24"]
    assert batch.checkpoints == [(1, 0, 10), (3, 0, 20), (4, 0, 25)]
    assert (batch.extracted, batch.left_out) == (4, 14)


def test_an_ordered_source_is_closed_at_the_first_record_beyond() -> None:
    ids, _, batch = bounded(Ordered, numbers(3, 10, 11, 30, 40))
    assert ids == ["3", "10", "11"]
    # 3 before the second slice; 3, 10 and 11 before the third. None beyond.
    assert batch.left_out == 1 + 3


def test_a_source_that_cannot_be_told_where_to_end_is_asked_once() -> None:
    ids, asked, batch = bounded(Endless, numbers(30, 3, 24, 25))
    assert (ids, asked, batch.left_out) == (["3", "24"], [(0, None)], 2)
    ids, asked, batch = bounded(EndlessOrdered, numbers(3, 24, 25, 30))
    assert (ids, asked, batch.left_out) == (["3", "24"], [(0, None)], 0)


def test_a_checkpoint_is_as_good_as_a_slice_and_one_beyond_ends_it() -> None:
    items = [*numbers(3), Checkpoint(-5), Checkpoint(5), *numbers(7), Checkpoint("25"), *numbers(8)]
    ids, _, batch = bounded(Endless, items)
    assert (ids, batch.checkpoints) == (["3", "7"], [(1, 0, 5), (2, 0, 25)])


def test_rejected_items_and_own_transforms_count_as_in_any_run() -> None:
    ids, _, batch = bounded(Endless, [*numbers(3), {"id": "x"}])
    assert (ids, batch.extracted) == (["3"], 2)
    assert [each.reason for each in batch.rejected] == ["validation"]
    ids, _, batch = bounded(Own, [*numbers(3), {"no": "id"}])
    assert (ids, batch.extracted) == (["3"], 1 + 3)
    assert [each.reason for each in batch.rejected] == ["transform"] * 3


def test_what_was_left_out_weighs_something() -> None:
    _, _, batch = bounded(Endless, numbers(30, 31))
    assert batch.weight > Batch(0, checkpoints=batch.checkpoints).weight
