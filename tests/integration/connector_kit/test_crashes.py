"""The kit crashes connectors: a good one passes at every point, and each mistake is found and named."""

from collections.abc import Mapping
from typing import Any

import pytest

from connectors import BaseConnector
from connectors.sources.news import News
from connectors.testing import Answer, ConformanceError, Scripted, check_crashes
from tests.integration.connector_kit.sources import (
    Changing,
    Exclusive,
    Hasty,
    NewestFirst,
    Renaming,
    Ticks,
    Whole,
)
from tests.servers import Servers

pytestmark = pytest.mark.requires_kafka

ARTICLES = [
    {
        "id": f"a{n}",
        "title": "Rain",
        "url": f"https://news.example.com/a{n}",
        "published_at": f"2026-11-22T08:{n:02}:00+00:00",
    }
    for n in range(60)
]


def articles(query: Mapping[str, str]) -> dict[str, Any]:
    """Pages of ten, the oldest first."""
    found = [article for article in ARTICLES if article["published_at"] >= query.get("since", "")]
    first = int(query.get("page_token", "0"))
    after = str(first + 10) if first + 10 < len(found) else None
    return {"articles": found[first : first + 10], "next_page_token": after}


def test_a_good_connector_survives_every_point_and_failures_of_its_api(stack: Servers) -> None:
    failures: dict[int, int | Answer] = {4: 503, 9: Answer(status=429, headers={"Retry-After": "0"})}
    api = Scripted({"/articles": articles}, every=failures)
    check_crashes(News, upstream=api, servers=stack.environment())
    # One run to know what is expected, and at each point one that is killed, one that completes, one more.
    assert api.requests > 9


@pytest.mark.parametrize(
    ("connector", "settings"), [(Ticks, {"total": 40}), (Whole, None)], ids=["ties", "no cursor"]
)
def test_good_sources_without_upstream_survive_several_kills(
    stack: Servers, connector: type[BaseConnector], settings: Mapping[str, Any] | None
) -> None:
    check_crashes(
        connector, settings=settings, rounds=2, points=["after commit"], servers=stack.environment()
    )


@pytest.mark.parametrize(
    ("connector", "point", "found"),
    [
        (NewestFirst, "after commit", r"are missing.* `ordered` must be true.*: \d\d, .* more"),
        (Exclusive, "EndTxn answer withheld", "are missing.* `since` is inclusive"),
        (Hasty, "EndTxn unsent", "are missing.* a Checkpoint stands behind"),
        (Changing, "after commit", "are there more than once.*: 0, 1, 2"),
        (Renaming, "before begin", "are missing.*: 0 of(.|\n)* an uninterrupted run does not have"),
    ],
)
def test_a_mistake_is_found_and_its_records_named(
    stack: Servers, connector: type[BaseConnector], point: str, found: str
) -> None:
    with pytest.raises(ConformanceError, match=rf"{point}: \d+ records \(of 64\) {found}") as failure:
        check_crashes(connector, points=[point], servers=stack.environment())
    assert str(failure.value).startswith(f"{connector.__name__} does not survive crashes:\n")
