"""What is in the topic already, what is new, and what has changed back (rules P5 and P7)."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from connectors.base import BaseConnector
from producer.checkpoint import Message
from producer.cursor_values import CursorValues
from producer.overlap import Overlap, Versions, versions_for
from schemas.avro import build_schema
from schemas.encoder import RecordEncoder
from schemas.names import Names

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FRAME = b"\0\0\0\0\1" + bytes(5)


def message(key: str, payload: str) -> Message:
    return {"key": key.encode(), "value": FRAME + payload.encode()}


def messages(*texts: str) -> list[Message]:
    """One for each of texts like "a1": key "a", payload "1"."""
    return [message(text[0], text[1:]) for text in texts]


def one_run(
    topic: list[Message],
    items: Sequence[Message],
    *,
    slice_: int = 3,
    ends_at: int | None = None,
    in_memory: int = 10_000,
) -> int:
    """Append what a run publishes to `topic`; `ends_at` cuts it short. Returns how many items it knew."""
    with Overlap(Versions(in_memory=in_memory), in_memory=in_memory) as overlap:
        overlap.read((one["key"], 0, one["value"]) for one in list(topic))
        known, coming = 0, iter(items[:ends_at])
        while some := list(islice(coming, slice_)):
            new, more = overlap.sift(some)
            topic += new
            known += more
        held = overlap.held
        assert known <= len(items)
        if ends_at is None:
            released = [one for part in overlap.release() for one in part]
            assert len(released) == held
            topic += released
            assert overlap.held == 0
        return known


def told(topic: list[Message]) -> list[str]:
    return [(one["key"] + one["value"][len(FRAME) :]).decode() for one in topic]


@pytest.mark.parametrize(
    ("there", "comes", "published"),
    [
        ("a1", "a1", ""),
        ("a1", "a2", "a2"),
        ("a1 a2", "a1", "a1"),  # it has changed back
        ("a1 a2", "a1 a1", "a1"),  # pages that shift bring it twice, and one of the two is known
        ("a1 a2 a1", "a1", ""),
        ("a1 a2 a1", "a2", "a2"),
        ("a1 a2", "a1 a2", ""),  # a source that has both
        ("a1 a2", "a2 a1", ""),
        ("a1 a2 a3", "a1 a2", ""),  # the source has several: not told which of them would count
        ("a2 a1 a3", "a3 a2 a1", ""),
        ("a1 a2", "a1 a3", "a3"),
        ("a1 a2", "a3 a1", "a3"),
        ("a1 a2 b1 b2", "b1 a1 b2 a2", ""),
        ("a1 a2 b1 b2", "b1 a1 b2", "a1"),
        ("a1", "a1 a1", "a1"),  # counted, as ever
    ],
)
@pytest.mark.parametrize("slice_", [1, 2, 10])
@pytest.mark.parametrize("in_memory", [1, 10_000])
def test_what_a_run_publishes(there: str, comes: str, published: str, slice_: int, in_memory: int) -> None:
    topic, items = messages(*there.split()), messages(*comes.split())
    before = len(topic)
    known = one_run(topic, items, slice_=slice_, in_memory=in_memory)
    assert told(topic[before:]) == published.split()
    assert known == len(items) - len(topic) + before


def test_a_run_that_is_cut_short_publishes_nothing_of_what_may_have_changed_back() -> None:
    topic = messages("a1", "a2")
    assert one_run(topic, messages("a1", "b1"), ends_at=1) == 0
    assert told(topic) == ["a1", "a2"]


def test_of_a_key_in_two_partitions_nobody_knows_what_is_newer() -> None:
    """The topic has got more of them, and they are read in any order."""
    two, one, again = messages("a2", "a1", "a2")
    with Overlap(Versions()) as overlap:
        overlap.read(iter([(b"a", 5, two["value"]), (b"a", 0, one["value"]), (b"b", 0, b"")]))
        assert overlap.sift([again]) == ([], 1)
        assert not [*overlap.release()]


def test_what_is_held_is_bounded_by_its_bytes_in_memory_and_when_it_is_let_go() -> None:
    keys = [f"{number:04}" for number in range(1000)]
    old = [{"key": key.encode(), "value": FRAME + key.encode() + bytes(50_000)} for key in keys]
    new = [message(key, "new") for key in keys]
    with Overlap(Versions()) as overlap:
        overlap.read((one["key"], 0, one["value"]) for one in [*old, *new])
        for place in range(0, 1000, 50):
            assert overlap.sift(old[place : place + 50]) == ([], 0)
            assert sum(map(len, overlap._held.memory.values())) < 8 << 20  # noqa: SLF001
        parts = list(overlap.release())
    assert max(map(len, parts)) <= 16
    assert sorted(one["key"].decode() for part in parts for one in part) == keys


KEYS = st.sampled_from("abcd")
ROUNDS = st.lists(
    st.tuples(
        st.lists(st.tuples(KEYS, st.sampled_from("123")), max_size=6),
        st.none() | st.integers(0, 4),
        st.randoms(use_true_random=False),
    ),
    max_size=8,
)


@given(ROUNDS, st.integers(1, 4), st.sampled_from([1, 2, 10_000]))
def test_of_a_source_with_one_state_of_each_key_the_topic_ends_with_it(
    rounds: list[tuple[list[tuple[str, str]], int | None, Any]], slice_: int, in_memory: int
) -> None:
    topic: list[Message] = []
    state: dict[str, str] = {}
    for changes, ends_at, random in rounds:
        state.update(changes)
        items = [message(key, payload) for key, payload in state.items()]
        random.shuffle(items)
        one_run(topic, items, slice_=slice_, ends_at=ends_at, in_memory=in_memory)
        if ends_at is None:
            assert {one["key"]: one["value"] for one in topic} == {one["key"]: one["value"] for one in items}
    for key in state:
        versions = [one for one in told(topic) if one[0] == key]
        assert all(one != other for one, other in pairwise(versions))


@given(ROUNDS, st.integers(1, 4), st.sampled_from([1, 2, 10_000]))
def test_of_a_source_that_keeps_its_history_each_record_is_there_once(
    rounds: list[tuple[list[tuple[str, str]], int | None, Any]], slice_: int, in_memory: int
) -> None:
    topic: list[Message] = []
    history: list[Message] = []
    for added, ends_at, random in rounds:
        history += [message(key, str(len(history) + number)) for number, (key, _) in enumerate(added)]
        items = list(history)
        random.shuffle(items)
        one_run(topic, items, slice_=slice_, ends_at=ends_at, in_memory=in_memory)
        if ends_at is None:
            assert sorted(told(topic)) == sorted(told(history))
        assert len(set(told(topic))) == len(topic)


class Reading(BaseModel):
    city: str
    at: AwareDatetime | None
    degrees: float = 0.0


class Readings(BaseConnector):
    name = "readings"
    key = "city"
    cursor = "at"
    Record = Reading

    def extract(self, since: Any = None) -> Iterator[Any]:
        yield from ()


def encoder(schema_id: int = 7) -> RecordEncoder:
    contract = Readings.contract()
    return RecordEncoder(contract, build_schema(contract, Names()), schema_id)


def encoded(at: datetime | None, degrees: float, schema_id: int = 7) -> Message:
    record = Reading(city="Oslo", at=at, degrees=degrees)
    [made] = encoder(schema_id).encode([record], extracted_at=NOON, run_id="r")
    return made


@pytest.mark.parametrize(
    ("newest", "since", "published"),
    [
        (encoded(NOON, 2), NOON, 1),
        (encoded(NOON, 2), None, 1),
        (encoded(NOON - timedelta(seconds=1), 2), NOON, 0),  # the run does not come to it
        (encoded(None, 2), NOON, 0),
        (encoded(NOON, 2, schema_id=6), NOON, 0),
        ({"key": b"Oslo", "value": b"\0\0\0\0\7?"}, NOON, 0),
        ({"key": b"Oslo", "value": b""}, NOON, 0),
    ],
)
def test_a_record_has_changed_back_only_if_the_run_would_have_met_the_newer_one(
    newest: Message, since: datetime | None, published: int
) -> None:
    old = encoded(NOON, 1)
    versions = versions_for(Readings(), encoder(), since)
    with Overlap(versions) as overlap:
        overlap.read((one["key"], 0, one["value"]) for one in (old, newest))
        assert overlap.sift([old]) == ([], 1 - published)
        assert [len(part) for part in overlap.release()] == [1] * published


class Hours(BaseModel):
    key: str
    naive: datetime
    took: timedelta
    day: date
    level: int
    text: str
    exact: Annotated[Decimal, Field(max_digits=6, decimal_places=2)]
    parsed: Annotated[AwareDatetime, BeforeValidator(lambda text: datetime.fromisoformat(text))]
    named: int = Field(alias="not a Python name")


@pytest.mark.parametrize(
    ("field", "least", "later"),
    [
        ("naive", datetime(2026, 1, 1), datetime(2026, 1, 2)),  # noqa: DTZ001 - a connector may have such
        ("took", timedelta(seconds=1), timedelta(seconds=2)),
        ("day", date(2026, 1, 1), date(2026, 1, 2)),
        ("level", 9, 10),
        ("text", "a", "b"),
        ("exact", Decimal("9.5"), Decimal("10")),
        ("parsed", NOON, NOON + timedelta(seconds=1)),
        ("named", 9, 10),
    ],
)
def test_cursors_of_every_type_compare_with_those_of_the_topic(field: str, least: Any, later: Any) -> None:
    connector: Any = type("Own", (Readings,), {"key": "key", "cursor": field, "Record": Hours})
    contract = connector.contract()
    encoder = RecordEncoder(contract, build_schema(contract, Names()), 7)
    first: dict[str, Any] = {
        "key": "a", "naive": NOON.replace(tzinfo=None), "took": timedelta(0), "day": NOON.date(), "level": 0,
        "text": "", "exact": Decimal(0), "parsed": NOON, "named": 0,
    }  # fmt: skip
    records = [Hours.model_construct(**{**first, field: value}) for value in (least, later)]
    [low, high] = encoder.encode(records, extracted_at=NOON, run_id="r")
    values = CursorValues(connector(), encoder)
    assert values.within(low["value"]) == values.of(least) < values.of(later) == values.within(high["value"])
    assert values.of(None) is None


def test_what_is_held_waits_for_the_cursor_of_what_the_topic_says_last() -> None:
    old, newest, other = encoded(NOON, 1), encoded(NOON + timedelta(seconds=9), 2), messages("b1")
    with Overlap(versions_for(Readings(), encoder(), NOON)) as overlap:
        overlap.read((one["key"], 0, one["value"]) for one in [old, newest, *other])
        assert not overlap.is_known_by(NOON + timedelta(seconds=10))
        overlap.sift([old])
        assert overlap.held == 1
        assert not overlap.is_known_by(NOON + timedelta(seconds=9))
        assert not overlap.is_known_by(None)
        assert overlap.is_known_by(NOON + timedelta(seconds=10))


def test_what_was_let_go_is_not_held_again() -> None:
    """It stands in the topic twice, and pages that shift bring it twice."""
    with Overlap(Versions()) as overlap:
        overlap.read((one["key"], 0, one["value"]) for one in messages("a1", "a1", "a2"))
        assert overlap.sift(messages("a1")) == ([], 0)
        assert [told(part) for part in overlap.release()] == [["a1"]]
        assert overlap.sift(messages("a1")) == ([], 1)
        assert not [*overlap.release()]


def test_without_a_key_or_with_a_state_nothing_changes_back() -> None:
    keyless: Any = type("Keyless", (Readings,), {"key": ()})
    stated: Any = type("Stated", (Readings,), {"cursor": None, "State": Reading})
    assert versions_for(keyless(), encoder(), NOON) is None
    assert versions_for(stated(), encoder(), None) is None
