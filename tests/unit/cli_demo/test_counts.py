"""When the demo may say that everything agrees."""

import pytest

from cli.demo.counts import Verdict, samples

GOOD = Verdict(extracted=10, published=9, loaded=8, dead_lettered=2, repeated=0, seconds=1.0)


def test_every_record_accounted_for_once_agrees() -> None:
    assert GOOD.agrees


@pytest.mark.parametrize(
    "fault",
    [
        {"loaded": 7},
        {"loaded": 9},
        {"published": 10, "dead_lettered": 1},
        {"dead_lettered": 3},
        {"repeated": 1},
        {"extracted": 0, "published": 0, "loaded": 0, "dead_lettered": 0},
    ],
)
def test_a_missing_doubled_or_unexplained_record_does_not_agree(fault: dict[str, int]) -> None:
    assert not Verdict(**{**vars(GOOD), **fault}).agrees


def test_samples_are_summed_by_source() -> None:
    text = (
        "# TYPE ingest_records_published counter\n"
        'ingest_records_published_total{source="a",topic="x"} 2.0\n'
        'ingest_records_published_total{source="a",topic="y"} 3.0\n'
        'ingest_records_published_total{source="b",topic="z"} 1.0\n'
    )
    assert samples(text, "ingest_records_published_total") == {"a": 5.0, "b": 1.0}
