import threading
import time
from collections.abc import Callable

import pytest

from consumer.assignment import Assigned
from consumer.batches import Batch
from consumer.container import Framer
from consumer.epochs import TopicId
from consumer.errors import ClickHouseAwayError, TopicStoppedError
from consumer.workers import Workers

DEADLINE = 10.0


def _batch(topic: str = "ingest.weather", memory: int = 10) -> Batch:
    batch = Batch(topic, b"\0\0\0\0\1", 0.0, Framer(b"c" * 8, b"", b"s" * 16), "token", memory=memory)
    batch.begin(Assigned(topic, 0, TopicId("id", 1)), 0)
    return batch


def _collect(workers: Workers, count: int) -> list[Batch]:
    done: list[Batch] = []
    end = time.monotonic() + DEADLINE
    while len(done) < count and time.monotonic() < end:
        done += workers.finished(0.1)
    return done


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come to pass")
        time.sleep(0.005)


def test_batches_come_back_when_they_are_loaded() -> None:
    loaded: list[Batch] = []
    with Workers(loaded.append) as workers:
        batches = [_batch() for _ in range(5)]
        for batch in batches:
            workers.submit(batch)
        assert set(map(id, _collect(workers, 5))) == set(map(id, batches))
    assert len(loaded) == 5


def test_a_topic_that_cannot_get_on_holds_up_nobody_else() -> None:
    def load(batch: Batch) -> None:
        if batch.topic == "ingest.stuck":
            raise ClickHouseAwayError("too many parts")

    with Workers(load, threads=1) as workers:
        for _ in range(3):
            workers.submit(_batch("ingest.stuck", memory=7))
        for _ in range(3):
            workers.submit(_batch("ingest.weather"))
        done = _collect(workers, 3)
        assert [batch.topic for batch in done] == ["ingest.weather"] * 3
        assert workers.waiting() == {"ingest.stuck": "too many parts"}
        assert workers.held_memory("ingest.stuck") == 21
        assert workers.held_memory("ingest.weather") == 0


def test_a_topic_with_much_waits_its_turn() -> None:
    order: list[str] = []
    go = threading.Event()

    def load(batch: Batch) -> None:
        go.wait(DEADLINE)
        order.append(batch.topic)

    with Workers(load, threads=1) as workers:
        for _ in range(4):
            workers.submit(_batch("ingest.big"))
        for _ in range(2):
            workers.submit(_batch("ingest.small"))
        go.set()
        _collect(workers, 6)
    assert order[:4].count("ingest.small") == 2


def test_the_same_batch_is_tried_again_until_it_is_loaded() -> None:
    attempts: list[Batch] = []

    def load(batch: Batch) -> None:
        attempts.append(batch)
        if len(attempts) < 3:
            raise ClickHouseAwayError("away")

    with Workers(load) as workers:
        batch = _batch()
        workers.submit(batch)
        assert _collect(workers, 1) == [batch]
        assert attempts == [batch] * 3
        assert workers.waiting() == {}


def test_after_a_failure_one_batch_at_a_time_finds_out() -> None:
    running, most = 0, 0
    lock = threading.Lock()
    failed_once = threading.Event()

    def load(batch: Batch) -> None:
        nonlocal running, most
        if not failed_once.is_set():
            failed_once.set()
            raise ClickHouseAwayError("away")
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    with Workers(load, threads=4) as workers:
        workers.submit(_batch())
        failed_once.wait(DEADLINE)
        for _ in range(3):
            workers.submit(_batch())
        assert len(_collect(workers, 4)) == 4


@pytest.mark.parametrize("error", [TopicStoppedError("a person must act"), RuntimeError("a bug of ours")])
def test_what_time_does_not_mend_is_said_and_kept(error: Exception) -> None:
    def load(batch: Batch) -> None:
        raise error

    with Workers(load) as workers:
        workers.submit(_batch())
        _until(lambda: bool(workers.waiting()))
        assert str(error) in workers.waiting()["ingest.weather"]
        assert workers.finished() == []
        assert workers.held_memory("ingest.weather") == 10


def test_an_abandoned_batch_is_not_loaded_any_more() -> None:
    loaded: list[Batch] = []
    with Workers(loaded.append) as workers:
        batch = _batch()
        for assigned in batch.first:
            assigned.lost = True
        workers.submit(batch)
        assert _collect(workers, 1) == [batch]
    assert loaded == []
