"""What is known again, and that it is counted, also where it does not fit into memory."""

from contextlib import closing
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from producer.seen import Seen, identity, letter_digest
from schemas.avro import build_schema
from schemas.contract import SourceContract
from schemas.encoder import RecordEncoder
from schemas.envelope import payload_start
from schemas.names import Names

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Price(BaseModel):
    id: str
    price: float


CONTRACT = SourceContract(source="prices", record=Price, key=("id",))


def message(
    price: Price, *, schema_id: int = 1, run_id: str = "r1", at: datetime = AT
) -> tuple[bytes, bytes]:
    encoder = RecordEncoder(CONTRACT, build_schema(CONTRACT, Names()), schema_id)
    [made] = encoder.encode([price], extracted_at=at, run_id=run_id)
    return made["key"], made["value"]


@given(st.text(max_size=300), st.floats(allow_nan=False), st.text(max_size=200))
def test_the_payload_begins_behind_the_envelope(id_: str, price: float, run_id: str) -> None:
    price_of = Price(id=id_ or "1", price=price)
    _, one = message(price_of, run_id="")
    _, other = message(price_of, run_id=run_id)
    assert one[payload_start(one) :] == other[payload_start(other) :]
    assert payload_start(other) - payload_start(one) >= len(run_id.encode())


def test_run_time_and_schema_id_do_not_matter_key_and_payload_do() -> None:
    known = identity(*message(Price(id="a", price=1)))
    later = datetime(2027, 5, 5, tzinfo=UTC)
    assert identity(*message(Price(id="a", price=1), schema_id=300, run_id="r22", at=later)) == known
    assert identity(*message(Price(id="a", price=2))) != known
    assert identity(*message(Price(id="b", price=1))) != known


def test_what_nobody_of_us_wrote_has_an_identity_too() -> None:
    assert identity(None, b"") != identity(b"k", b"") != identity(b"k", b"\0\0")
    assert letter_digest(b"{}") != letter_digest(b"{ }")


@pytest.mark.parametrize("in_memory", [1, 10, 10_000])
def test_equal_ones_are_counted_in_memory_and_in_the_file(in_memory: int) -> None:
    one, two, never = b"1" * 16, b"2" * 16, b"3" * 16
    others = [number.to_bytes(16, "big") for number in range(2000)]
    with closing(Seen(in_memory=in_memory)) as seen:
        assert not seen
        seen.add([one, *others, one, two])
        seen.add([one])
        assert len(seen) == 2004
        assert seen.take([one, two, never, one]) == [True, True, False, True]
        assert seen.take([two, one, one]) == [False, True, False]
        assert len(seen) == 2000
        assert seen.take(others) == [True] * 2000
        assert not seen
