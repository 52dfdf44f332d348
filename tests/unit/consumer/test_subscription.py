from consumer.subscription import consumer_properties
from runtime.settings import load_settings


def _properties(**kafka: str | int) -> dict[str, object]:
    return consumer_properties(load_settings({"kafka": {"properties": kafka}}, env={}))


def test_nothing_is_committed_behind_our_back() -> None:
    properties = _properties()
    assert properties["enable.auto.commit"] is False
    assert properties["enable.auto.offset.store"] is False
    assert properties["isolation.level"] == "read_committed"
    assert properties["group.id"] == "ingest-loader"


def test_fetching_is_set_up_for_loading_unless_a_person_chose_otherwise() -> None:
    assert _properties()["fetch.queue.backoff.ms"] == 5
    chosen = _properties(**{"fetch.queue.backoff.ms": 50, "queued.min.messages": 77})
    assert (chosen["fetch.queue.backoff.ms"], chosen["queued.min.messages"]) == (50, 77)


def test_what_is_fetched_ahead_has_its_share_of_the_memory() -> None:
    settings = load_settings({"consumer": {"memory_bytes": "64MiB"}}, env={})
    assert consumer_properties(settings)["queued.max.messages.kbytes"] == 16 * 1024
