"""murmur2: the same partitions as Java's producers."""

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.partitioning import murmur2, partition_of

with warnings.catch_warnings():
    # kafka-python reads its own files in a way that Python 3.11 deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.partitioner.default import murmur2 as witness


@pytest.mark.parametrize(
    ("key", "hashed"),
    # From Apache Kafka's own UtilsTest.
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_known_hashes(key: bytes, hashed: int) -> None:
    assert murmur2(key) == hashed % 2**32


@given(st.binary(max_size=200))
def test_every_hash_is_the_witness_library_s(key: bytes) -> None:
    assert murmur2(key) == witness(key) & 0xFFFFFFFF


@given(st.binary(max_size=50), st.integers(1, 500))
def test_a_partition_is_always_one_of_the_topic_s(key: bytes, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
