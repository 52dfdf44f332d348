import json

from prometheus_client import REGISTRY

from consumer import metrics
from consumer.assignment import NOWHERE, Assigned, Assignment
from consumer.epochs import TopicId
from tests.unit.consumer.conftest import TOPIC


def _assigned() -> Assigned:
    return Assigned(TOPIC, 0, TopicId("an-id", 2**64 - 1))


def test_nothing_is_committed_before_anything_was_read() -> None:
    assert _assigned().safe_offset(-1001) == NOWHERE


def test_the_lowest_unfinished_offset_is_committed() -> None:
    assigned = _assigned()
    assigned.unfinished = {"late": 500, "early": 300}
    assert assigned.safe_offset(900) == 300


def test_an_old_batch_cannot_push_the_commit_past_the_position() -> None:
    # Records that a revoked assignment still delivered, after which we were put back to 300.
    assigned = _assigned()
    assigned.unfinished = {"from before": 500}
    assert assigned.safe_offset(310) == 310


def test_a_commit_knows_its_topic_and_generation() -> None:
    commit = _assigned().commit(42)
    assert (commit.topic, commit.partition, commit.offset) == (TOPIC, 0, 42)
    assert json.loads(commit.metadata or "") == {"generation": 1, "offset": 42, "topic_id": "an-id"}


def test_rows_carry_generation_and_leader_epoch() -> None:
    assigned = _assigned()
    assert assigned.place(7).version == (1 << 32) + 7
    assert assigned.place(None).version == 1 << 32
    assert assigned.place(7) is assigned.place(7)
    assert assigned.place(7).epoch == 2**64 - 1


def test_what_is_gone_is_lost_also_for_those_who_hold_it(assignment: Assignment) -> None:
    gone = assignment.get(TOPIC, 0)
    assert gone is not None
    assignment.remove([gone])
    assert gone.lost
    assert assignment.get(TOPIC, 0) is None
    assert [one.partition for one in assignment.of_topic(TOPIC)] == [1]


def test_a_partition_that_stands_still_is_not_reported_any_more_when_it_is_another_ones() -> None:
    ours = Assignment()
    assigned = Assigned("ingest.still", 0, TopicId("an-id", 1))
    ours.add(assigned)
    assigned.stopped = "gone"
    metrics.STOPPED.labels("ingest.still", 0).set(1)
    ours.remove([assigned])
    labels = {"topic": "ingest.still", "partition": "0"}
    assert REGISTRY.get_sample_value("ingest_partition_stopped", labels) == 0
