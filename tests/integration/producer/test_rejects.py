"""Items that cannot be published: each a dead letter with its reason, the others of the run unharmed."""

import itertools
from typing import Any

from pydantic import BaseModel

from connectors.base import BaseConnector
from runtime.settings import Settings
from tests.integration.producer.support import NOON, dead_letters, ids, reading, run, yielding


def test_records_that_fail_go_to_the_dead_letters_with_their_reasons_and_the_run_goes_on(
    settings: Settings,
) -> None:
    broken: list[Any] = [
        {"id": "seven", "at": NOON},
        {"at": NOON},
        "no record at all",
        None,
        reading(0, id=2**70),
        reading(3, text="x" * 2_000_000),
    ]
    good = [reading(number) for number in range(20)]
    items = [item for pair in itertools.zip_longest(good, broken) for item in pair if item is not None]
    items.insert(5, None)
    report = run(settings, yielding(lambda since: iter(items)))
    assert (report.extracted, report.published, report.rejected) == (26, 20, 6)
    assert report.completed
    assert ids(settings) == list(range(20))
    letters = dead_letters(settings)
    assert len(letters) == 6
    reasons = {
        (headers["reason"], headers["error"], headers["message"].partition(":")[0]) for _, headers in letters
    }
    assert reasons == {
        ("validation", "ValidationError", "id"),
        ("validation", "ValidationError", "record"),
        ("encoding", "UnencodableRecordError", next(m for r, _, m in reasons if r == "encoding")),
        ("oversized", "MessageSizeTooLarge", next(m for r, _, m in reasons if r == "oversized")),
    }
    for _, headers in letters:
        assert headers["stage"] == "producer"
        assert headers["source"] == "readings"
        assert headers["run_id"] == report.run_id
    raw = [
        item for item, headers in letters if headers["message"].startswith("id: Input should be a valid int")
    ]
    assert raw == [{"id": "seven", "at": "2026-01-01T12:00:00Z"}]
    assert any("Reading.id" in headers["message"] for _, headers in letters)
    assert any(isinstance(item, dict) and item.get("truncated") for item, _ in letters)


def test_a_slice_with_many_unencodable_records_loses_none_of_its_others(settings: Settings) -> None:
    items = [reading(number, id=2**70 + number if number % 3 else number) for number in range(3000)]
    report = run(settings, yielding(lambda since: iter(items)))
    assert (report.published, report.rejected) == (1000, 2000)
    assert ids(settings) == list(range(0, 3000, 3))
    # The highest published one, not the highest extracted one.
    assert report.cursor == "2026-01-01T12:49:57Z"


def test_an_own_transform_is_used(settings: Settings) -> None:
    def transform(self: BaseConnector, item: Any) -> BaseModel:
        return self.Record.model_validate(reading(item["n"] + 1))

    run(settings, yielding(lambda since: iter([{"n": 1}, {"m": 2}, {"n": 3}]), transform=transform))
    assert ids(settings) == [2, 4]
    [(item, headers)] = dead_letters(settings)
    assert item == {"m": 2}
    assert (headers["reason"], headers["error"]) == ("transform", "KeyError")
