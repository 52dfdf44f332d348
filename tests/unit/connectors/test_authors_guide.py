"""docs/authors.md: every block of code in it is executed or at least compiled, and is true."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Request, Response

from connectors import Checkpoint
from connectors.bounds import parse_bounds
from connectors.configuration import build_settings
from connectors.errors import DecorationError
from connectors.http import governed_by
from connectors.http.governing import Unlimited
from connectors.rates import parse_rate_limits
from connectors.registry import BUILTIN_SOURCES, ConnectorRegistry
from tests.authors_guide import BLOCKS, GUIDE, ROOT, block, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_httpserver import HTTPServer

    from connectors import BaseConnector

    Discover = Callable[..., ConnectorRegistry]

EXECUTED = {
    "python example",
    "python news-1",
    "python look",
    "python news-2",
    "python news-3",
    "python test-news",
    "python transform",
    "python schedules",
    "python limits",
    "python raises DecorationError",
    "python resilience",
    "python test-prices",
    # By tests/integration/connector_kit: it takes servers.
    "python test-crashes",
    "python state",
    "python backfill",
    "text unconfigured",
    "text quarantine",
    "text crashes",
    "bash",
    "toml",
    "json",
}


def source_of(discover: Discover, info: str) -> type[BaseConnector]:
    """The one source that a block defines, discovered as a file."""
    registry = discover(news=block(info))
    assert registry.quarantined == ()
    (plugin,) = registry.sources.values()
    return plugin.cls


def test_no_block_is_left_out() -> None:
    assert set(BLOCKS) == EXECUTED


def test_the_smallest_source_is_the_example_file_and_under_25_lines() -> None:
    example = (ROOT / "docs" / "examples" / "prices.py").read_text("utf-8")
    assert block("python example") == example
    assert len(example.splitlines()) < 25


def test_the_finished_news_source_is_the_shipped_one() -> None:
    assert block("python news-3") == (BUILTIN_SOURCES / "news.py").read_text("utf-8")


def test_the_first_version_runs(
    discover: Discover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source_of(discover, "python news-1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_sources").mkdir()
    (tmp_path / "my_sources" / "news.py").write_text(block("python news-1"))
    run(block("python look"))
    assert "title='Rain'" in capsys.readouterr().out


def test_the_second_version_reads_the_answer_shown(discover: Discover, httpserver: HTTPServer) -> None:
    news = source_of(discover, "python news-2")
    httpserver.expect_request("/v1/articles").respond_with_json(json.loads(block("json")))
    settings = build_settings("news_api", news.Settings, {"base_url": httpserver.url_for("/v1")})
    assert [record.model_dump()["payload"]["title"] for record in news(settings).run()] == ["Rain"]


def test_the_example_reads_a_page(discover: Discover, httpserver: HTTPServer) -> None:
    prices = source_of(discover, "python example")
    httpserver.expect_request("/").respond_with_json([{"sku": "a", "cents": 1, "at": "2026-01-01T00:00:00Z"}])
    settings = build_settings("prices", prices.Settings, {"url": httpserver.url_for("/")})
    (record,) = prices(settings).run()
    assert record.model_dump()["payload"]["cents"] == 1


def test_transform_and_a_computed_name_work(discover: Discover) -> None:
    readings = source_of(discover, "python transform")
    (record,) = readings().run()
    assert (record.source, record.id) == ("readings", "2026-11-22T08:00:00Z")


def test_the_source_with_limits_reads_its_pages_within_them(
    discover: Discover, httpserver: HTTPServer
) -> None:
    issues = source_of(discover, "python limits")
    httpserver.expect_request("/issues", query_string="page=3").respond_with_json([])
    httpserver.expect_request("/issues").respond_with_json([{"id": 1, "title": "Rain"}])
    settings = build_settings("issues", issues.Settings, {"base_url": httpserver.url_for(""), "token": "t"})
    asked: list[str] = []

    class Noting(Unlimited):
        def take(self, host: str) -> None:
            asked.append(host)

    with governed_by(budget=Noting()):
        assert len(list(issues(settings).run())) == 2
    assert len(asked) == 3
    assert [str(limit) for limit in parse_rate_limits(issues.request_limit)] == ["60/minute", "5000/hour"]


def last_state(source: BaseConnector, since: Any) -> tuple[list[str], Any]:
    """The cities in the order of their records, and the state of the last Checkpoint."""
    items = list(source.extract(since))
    states = [item.cursor for item in items if isinstance(item, Checkpoint)]
    return [item["city"] for item in items if not isinstance(item, Checkpoint)], states[-1]


def test_the_source_with_a_position_per_city_asks_each_city_from_its_own(
    discover: Discover, httpserver: HTTPServer
) -> None:
    air = source_of(discover, "python state")
    asked: list[tuple[str, str]] = []

    def answer(request: Request) -> Response:
        asked.append((request.path, request.args["since"]))
        hours = {"/berlin": ["2026-01-01T03:00:00Z"], "/paris": ["2026-01-01T01:00:00Z"]}
        found = [{"at": at, "index": 7} for at in hours.get(request.path, [])]
        return Response(json.dumps(found), content_type="application/json")

    httpserver.expect_request(re.compile("/.*")).respond_with_handler(answer)

    def source(*cities: str) -> BaseConnector:
        given = {"base_url": httpserver.url_for("/"), "cities": list(cities)}
        return air(build_settings("air", air.Settings, given))

    cities, state = last_state(source("berlin", "paris"), None)
    assert cities == ["berlin", "paris"]
    # As it is stored, and read back.
    stored = air.cursor_type().dump_python(state, mode="json")
    assert stored == {"upto": {"berlin": "2026-01-01T03:00:00Z", "paris": "2026-01-01T01:00:00Z"}}
    again, _ = last_state(source("berlin", "paris", "rome"), air.parse_since(stored))
    assert again == []
    assert asked == [
        ("/berlin", "2026-01-01T00:00:00+00:00"),
        ("/paris", "2026-01-01T00:00:00+00:00"),
        ("/berlin", "2026-01-01T03:00:00+00:00"),
        ("/paris", "2026-01-01T01:00:00+00:00"),
        ("/rome", "2026-01-01T00:00:00+00:00"),
    ]


def test_the_source_with_slices_hands_its_bounds_on(discover: Discover, httpserver: HTTPServer) -> None:
    trades = source_of(discover, "python backfill")
    bounds = {"from": "2026-01-01T00:00:00+00:00", "to": "2026-01-02T00:00:00+00:00"}
    httpserver.expect_request("/t", query_string=bounds).respond_with_json([{"id": 1}])
    httpserver.expect_request("/t", query_string="").respond_with_json([{"id": 1}, {"id": 2}])
    settings = build_settings("trades", trades.Settings, {"url": httpserver.url_for("/t")})
    first, last = parse_bounds(trades, "2026-01-01", "2026-01-02")
    extract: Any = trades(settings).extract
    assert list(extract(first, until=last)) == [{"id": 1}]
    assert len(list(extract())) == 2
    assert first + trades.slice == last


@pytest.mark.parametrize("info", ["python schedules", "python resilience"])
def test_fragments_run(info: str) -> None:
    run(block(info))


def test_the_wrong_decoration_is_refused() -> None:
    with pytest.raises(DecorationError):
        run(block("python raises DecorationError"))


def test_the_tests_of_the_guide_pass(httpserver: HTTPServer) -> None:
    run(block("python test-news"))["test_news_conforms"]()
    run(block("python test-prices"))["test_prices_outlives_an_outage"](httpserver, ROOT / "docs" / "examples")


def test_the_line_about_unconfigured_sources_is_the_real_one() -> None:
    registry = ConnectorRegistry.discover(entry_points=False)
    assert block("text unconfigured").strip() == str(registry.unconfigured({})["news"])


def test_the_quarantine_message_is_the_real_one(discover: Discover, tmp_path: Path) -> None:
    example = block("python example")
    head, _, rest = example.partition("    class Record")
    without = head + rest[rest.index("    class Settings") :]
    (broken,) = discover(prices=without).quarantined
    shown = re.sub(r":\d+:", ":6:", str(broken).replace(str(tmp_path), "my_sources"), count=1)
    assert block("text quarantine").strip() == shown


def test_shell_and_toml_blocks_can_be_read() -> None:
    for text in BLOCKS["bash"]:
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    settings, packaging = (tomllib.loads(text) for text in BLOCKS["toml"])
    ConnectorRegistry.discover(entry_points=False).check_settings(settings["sources"])
    assert "ingest.connectors" in packaging["project"]["entry-points"]


def test_the_places_of_the_shell_block_are_settings_of_weather() -> None:
    (places,) = re.findall(r"WEATHER__PLACES='(.*)'", GUIDE)
    ConnectorRegistry.discover(entry_points=False).check_settings({"weather": {"places": places}})


def test_links_within_the_guide_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", GUIDE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", GUIDE)) <= headings
