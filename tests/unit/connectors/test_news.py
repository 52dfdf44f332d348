"""The guide's example against a news API on loopback: paging, cursor, an API that runs in circles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Request, Response

from connectors import UpstreamFormatError
from connectors.registry import ConnectorRegistry
from connectors.sources.news import News

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer


def article(number: int) -> dict[str, Any]:
    return {
        "id": f"a{number}",
        "title": f"Headline {number}",
        "url": f"https://news.example.com/{number}",
        "published_at": f"2026-11-22T{number:02}:00:00Z",
    }


@pytest.fixture
def news(httpserver: HTTPServer) -> News:
    """A source whose API has five articles and pages of two."""

    def respond(request: Request) -> Response:
        since = request.args.get("since", "2000")[:13]
        found = [each for each in map(article, range(5)) if each["published_at"][:13] >= since]
        start, limit = int(request.args.get("page_token", 0)), int(request.args["limit"])
        token = str(start + limit) if start + limit < len(found) else None
        page = {"articles": found[start : start + limit], "next_page_token": token}
        return Response(json.dumps(page), content_type="application/json")

    httpserver.expect_request("/v1/articles").respond_with_handler(respond)
    return News(News.Settings.model_validate({"base_url": httpserver.url_for("/v1"), "page_size": 2}))


def test_all_pages_are_read_in_order(news: News) -> None:
    records = list(news.run())
    assert [record.id for record in records] == ["a0", "a1", "a2", "a3", "a4"]
    times = [record.event_time for record in records]
    assert times == sorted(times)


def test_since_is_inclusive(news: News) -> None:
    assert [record.id for record in news.run("2026-11-22T03:00:00Z")] == ["a3", "a4"]


def test_a_token_travels_as_a_header_and_nowhere_else(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/articles", headers={"Authorization": "Bearer s3cret"}).respond_with_json(
        {"articles": [article(1)]}
    )
    settings = News.Settings.model_validate({"base_url": httpserver.url_for("/v1"), "token": "s3cret"})
    assert len(list(News(settings).run())) == 1
    assert "s3cret" not in repr(settings)


def test_a_page_that_names_itself_as_the_next_does_not_run_for_ever(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/articles").respond_with_json(
        {"articles": [article(1)], "next_page_token": "again"}
    )
    settings = News.Settings.model_validate({"base_url": httpserver.url_for("/v1")})
    with pytest.raises(UpstreamFormatError, match="names itself as the next page"):
        list(News(settings).run())


def test_it_does_not_run_until_someone_says_where() -> None:
    registry = ConnectorRegistry.discover(entry_points=False)
    assert "https://news.example.com/v1" in str(registry.unconfigured({})["news"])
