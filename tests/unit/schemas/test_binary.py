"""Avro's binary values at the edges where their length or their way of being made changes."""

import io
from datetime import UTC, datetime, timedelta

import fastavro
import pytest

from schemas.binary import EPOCH, Longs, instant, iso, long

POWERS = [2**power + step for power in range(64) for step in (-1, 0, 1)]
LONGS = [number for number in [*POWERS, *(-power for power in POWERS)] if -(2**63) <= number < 2**63]


def written(number: int) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", number)
    return out.getvalue()


def test_longs_of_every_length_are_fastavros() -> None:
    assert [long(number) for number in LONGS] == [written(number) for number in LONGS]


def test_a_table_of_longs_knows_all_of_them_and_its_prefix() -> None:
    table = Longs(b"\2", b"\0")
    assert [table[number] for number in LONGS] == [b"\2" + written(number) for number in LONGS]
    assert table[None] == b"\0"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, -(2**64), 10**30, -(10**30)])
def test_beyond_64_bits_there_is_no_long(number: int) -> None:
    with pytest.raises(OverflowError, match="64 bits"):
        long(number)


MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    EPOCH,
    EPOCH + timedelta(microseconds=1),
    EPOCH + timedelta(microseconds=2**48 - 1),
    EPOCH + timedelta(microseconds=2**48),
    datetime(2026, 11, 22, 16, 37, 5, 123456, tzinfo=UTC),
    EPOCH + timedelta(microseconds=2**55 - 1),
    EPOCH + timedelta(microseconds=2**55),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_an_instant_is_its_microseconds(moment: datetime) -> None:
    since = moment - EPOCH
    assert instant(since) == written(since // timedelta(microseconds=1))


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_an_instants_text_is_iso_8601(moment: datetime) -> None:
    assert iso(moment - EPOCH).decode() == moment.isoformat().replace("+00:00", "Z")
