"""Topic, subject and table names."""

import re

import pytest

from schemas.errors import SourceNameError, TopicNameError
from schemas.names import Names, check_source_name


@pytest.mark.parametrize("name", ["weather", "a", "open_meteo_2", "x" * 63])
def test_a_source_name_that_fits_is_returned(name: str) -> None:
    assert check_source_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ledger", "taken"),
        ("a__b", "'__'"),
        ("", "1 to 63"),
        ("x" * 64, "1 to 63"),
        ("Weather", "lower-case"),
        ("1a", "start with a letter"),
        ("_a", "start with a letter"),
        ("a-b", "digits or underscores"),
        ("a.b", "digits or underscores"),
        ("wetter_ä", "digits or underscores"),
        ("weather\n", "digits or underscores"),
        ('a"; DROP TABLE x; --', "digits or underscores"),
    ],
)
def test_a_source_name_that_does_not_fit_is_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(SourceNameError, match=re.escape(reason)):
        check_source_name(name)


def test_names_of_a_source() -> None:
    names = Names()
    topic = names.topic("weather")
    assert topic == "ingest.weather"
    assert names.dead_letter_topic(topic) == "ingest.weather.dlq"
    assert names.subject(topic) == "ingest.weather-value"
    assert names.namespace("weather") == "ingest.weather"
    assert names.source(topic) == "weather"
    assert names.log_table("weather") == "weather__log"
    assert names.view("weather") == "weather"


def test_names_of_the_platforms_own_topics() -> None:
    names = Names("team.one")
    assert (names.cursors, names.jobs, names.limits, names.control, names.ledger) == (
        "_team.one.cursors",
        "_team.one.jobs",
        "_team.one.limits",
        "_team.one.control",
        "team.one.ledger",
    )


def test_a_hyphen_in_the_prefix_is_an_underscore_in_the_namespace() -> None:
    assert Names("team-a").namespace("weather") == "team_a.weather"


@pytest.mark.parametrize("source", ["a-b", "Drop", "_x", "0", "x" * 200, "a'b".replace("'", "")])
def test_any_legal_topic_under_the_prefix_has_a_source(source: str) -> None:
    assert Names().source(f"ingest.{source}") == source


@pytest.mark.parametrize(
    "topic", ["weather", "other.weather", "ingest.weather.dlq", "_ingest.jobs", "ingest.", "ingestXa"]
)
def test_topics_without_a_source_are_refused(topic: str) -> None:
    with pytest.raises(TopicNameError, match="not a source topic"):
        Names().source(topic)


def test_the_pattern_takes_source_topics_and_leaves_the_others() -> None:
    pattern = re.compile(Names("a.b").source_topics)
    topics = [
        "a.b.weather",
        "a.b.ledger",
        "a.b.weather.dlq",
        "_a.b.jobs",
        "axb.weather",
        "a.b.",
        "za.b.weather",
    ]
    assert [topic for topic in topics if pattern.search(topic)] == ["a.b.weather", "a.b.ledger"]


@pytest.mark.parametrize("prefix", ["", ".", "a.", ".a", "a..b", "_a", "a b", "a.1b", "é", "x" * 181])
def test_a_prefix_that_breaks_names_is_refused(prefix: str) -> None:
    with pytest.raises(TopicNameError, match="prefix"):
        Names(prefix)
