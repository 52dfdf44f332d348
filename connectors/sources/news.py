"""Headlines from a JSON news API: the example that docs/authors.md builds step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, Field, HttpUrl, SecretStr

from connectors import BaseConnector, UpstreamFormatError, every, http_client, json_of, resilient_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import httpx


class Page(BaseModel):
    """One answer of the API; a null or missing token marks the last page."""

    articles: list[dict[str, Any]]
    next_page_token: str | None = None


class News(BaseConnector):
    """Articles of a news API, oldest first."""

    name = "news"
    schedule = every(hours=6)
    rate_limit = "10/hour"
    request_limit = "60/minute"
    key = "id"
    event_time = "published_at"
    cursor = "published_at"
    ordered = True  # we ask for oldest first

    class Record(BaseModel):
        """One article."""

        id: str
        title: str
        url: HttpUrl
        published_at: AwareDatetime
        author: str | None = None

    class Settings(BaseModel):
        """Where to ask: no default, so the source does not run until someone says where."""

        base_url: HttpUrl = Field(examples=["https://news.example.com/v1"])
        token: SecretStr | None = None
        page_size: int = Field(100, ge=1, le=1000)

    settings: Settings

    def extract(self, since: datetime | None = None) -> Iterator[dict[str, Any]]:
        """Articles published at or after `since`, page by page."""
        query = {"order": "oldest_first", "limit": str(self.settings.page_size)}
        if since is not None:
            query["since"] = since.isoformat()
        token = self.settings.token
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        with http_client(headers=headers, timeout=10) as client:
            while True:
                page = self._page(client, query)
                yield from page.articles
                if page.next_page_token is None:
                    return
                if page.next_page_token == query.get("page_token"):
                    raise UpstreamFormatError(f"page {page.next_page_token!r} names itself as the next page")
                query["page_token"] = page.next_page_token

    @resilient_request
    def _page(self, client: httpx.Client, query: dict[str, str]) -> Page:
        url = f"{str(self.settings.base_url).rstrip('/')}/articles"
        return json_of(client.get(url, params=query), Page)
