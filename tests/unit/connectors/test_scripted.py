"""The scripted API answers, counts, fails as it is told, and tells of a script that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from connectors.testing import Answer, Scripted

if TYPE_CHECKING:
    from collections.abc import Mapping


def test_a_mapping_answers_by_path() -> None:
    answers = {"/plain": [1, "ä"], "/page": lambda query: {"n": int(query["n"])}, "/text": Answer("x", 203)}
    with Scripted(answers) as api:
        assert httpx.get(f"{api.url}/plain").json() == [1, "ä"]
        assert httpx.get(f"{api.url}/page", params={"n": 7}).json() == {"n": 7}
        text = httpx.post(f"{api.url}/text", content=b"some body")
        missing = httpx.get(f"{api.url}/plian")
    assert (text.status_code, text.text, text.headers["content-type"]) == (
        203,
        "x",
        "text/plain; charset=utf-8",
    )
    assert missing.status_code == 404
    assert missing.text == "/plian is not in the script, only /plain, /page, /text"


def test_a_function_gets_path_and_query_and_says_headers() -> None:
    def script(path: str, query: Mapping[str, str]) -> Any:
        return Answer({"path": path, **query}, headers={"X-RateLimit-Remaining": "3"})

    with Scripted(script) as api:
        answer = httpx.get(f"{api.url}/a/b?empty=&c=d%20e")
    assert answer.json() == {"path": "/a/b", "empty": "", "c": "d e"}
    assert answer.headers["x-ratelimit-remaining"] == "3"


def test_each_nth_request_fails_counted_over_all_clients() -> None:
    every: dict[int, int | Answer] = {2: 500, 3: Answer("slowly", 429, {"Retry-After": "1"})}
    with Scripted({"/": {}}, every=every) as api:
        answers = [httpx.get(f"{api.url}/") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200, 500, 429, 500, 200, 500]
    assert answers[2].headers["retry-after"] == "1"
    assert api.requests == 6


def test_an_error_of_the_script_is_the_authors_and_comes_out() -> None:
    def script(path: str, query: Mapping[str, str]) -> Any:
        raise KeyError("page")

    with pytest.raises(KeyError, match="page"), Scripted(script) as api:
        assert httpx.get(f"{api.url}/").status_code == 500
