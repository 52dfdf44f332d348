"""Reading answers: JSON of the expected shape, and nothing secret in what is said about others."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from connectors import UpstreamFormatError, json_of
from connectors.responses import location

REQUEST = httpx.Request("GET", "https://user:s3cret@api.test:8443/v1/items?key=s3cret#s3cret")


class Page(BaseModel):
    items: list[int]


def answer(content: str, status: int = 200, kind: str = "application/json") -> httpx.Response:
    return httpx.Response(status, text=content, headers={"content-type": kind}, request=REQUEST)


def test_json_as_it_is_or_as_a_model() -> None:
    assert json_of(answer('{"items": [1]}')) == {"items": [1]}
    assert json_of(answer('{"items": [1]}'), Page) == Page(items=[1])


@pytest.mark.parametrize("content", ['{"error": true}', '{"items": ["x"]}', "[]", "null"])
def test_json_of_another_shape_is_a_format_error_that_shows_it(content: str) -> None:
    with pytest.raises(UpstreamFormatError, match="of another shape than expected") as caught:
        json_of(answer(content), Page)
    assert content in str(caught.value)


def test_an_error_status_is_an_error_whatever_the_body() -> None:
    with pytest.raises(httpx.HTTPStatusError):
        json_of(answer('{"items": [1]}', status=404))


def test_messages_name_the_place_without_secrets() -> None:
    with pytest.raises(UpstreamFormatError) as caught:
        json_of(answer("<html>" + "x" * 5000, kind="text/html"))
    assert "https://api.test:8443/v1/items answered 200 with text/html" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_location_keeps_what_identifies_the_page() -> None:
    assert location(REQUEST.url) == "https://api.test:8443/v1/items"


def test_numbers_that_json_does_not_have_are_read_as_python_reads_them() -> None:
    value: Any = json_of(answer("[NaN]"))
    assert value[0] != value[0]
