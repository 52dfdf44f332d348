"""Settings of sources: values as an environment gives them, and what is said about wrong ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator

from connectors.configuration import build_settings, find_unconfigured
from connectors.errors import ConnectorSettingsError
from connectors.registry import ConnectorRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    Discover = Callable[..., ConnectorRegistry]


class Place(BaseModel):
    name: str
    latitude: float = Field(le=90)


class Settings(BaseModel):
    base_url: str = Field(examples=["https://news.example.com"])
    token: SecretStr
    places: tuple[Place, ...] = ()
    note: str = ""
    size: int = Field(10, validation_alias=AliasChoices("size", "page_size"))


GIVEN = {"base_url": "https://a.test", "token": "s3cret"}


def read(**values: Any) -> Settings:
    settings = build_settings("news", Settings, {**GIVEN, **values})
    assert isinstance(settings, Settings)
    return settings


def problems(**values: Any) -> str:
    with pytest.raises(ConnectorSettingsError) as caught:
        read(**values)
    return str(caught.value)


def test_texts_become_what_the_fields_are() -> None:
    assert read(page_size="25").size == 25
    assert read(places='[{"name": "EWR", "latitude": "40.7"}]').places == (Place(name="EWR", latitude=40.7),)


def test_a_text_field_keeps_text_that_looks_like_json() -> None:
    assert read(note='["a"]').note == '["a"]'


def test_a_wrong_value_names_its_variable_and_does_not_show_itself() -> None:
    text = problems(size="s3cret-many")
    assert "INGEST_SOURCES__NEWS__SIZE: Input should be a valid integer" in text
    assert "s3cret-many" not in text


def test_a_wrong_value_within_a_list_says_where() -> None:
    text = problems(places='[{"name": "EWR", "latitude": 100}]')
    assert "INGEST_SOURCES__NEWS__PLACES at 0.latitude: Input should be less than" in text


def test_broken_json_is_a_wrong_value() -> None:
    assert "INGEST_SOURCES__NEWS__PLACES: Input should be a valid tuple" in problems(places='[{"name"')


def test_unknown_keys_are_errors_with_a_suggestion_even_where_the_model_would_ignore_them() -> None:
    text = problems(page_sice=5, zzz=1)
    assert "INGEST_SOURCES__NEWS__PAGE_SICE: unknown setting; did you mean page_size?" in text
    assert "INGEST_SOURCES__NEWS__ZZZ: unknown setting; known: base_url, note" in text


def test_unknown_keys_of_a_model_that_allows_them_are_kept() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    assert build_settings("x", Open, {"anything": 1}).model_dump() == {"anything": 1}


def test_all_problems_come_at_once_without_the_original_that_prints_values() -> None:
    with pytest.raises(ConnectorSettingsError) as caught:
        build_settings("news", Settings, {"size": "s3cret", "nonsense": 1})
    assert str(caught.value).count("INGEST_SOURCES__NEWS__") == 4
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


def test_required_settings_without_value_make_a_source_unconfigured() -> None:
    found = find_unconfigured("news", Settings, {"token": "x"})
    assert found is not None
    assert found.missing == ("INGEST_SOURCES__NEWS__BASE_URL",)
    assert str(found) == (
        "source news is not configured and will not run; to use it, set "
        "INGEST_SOURCES__NEWS__BASE_URL (for example https://news.example.com)"
    )
    assert find_unconfigured("news", Settings, GIVEN) is None


def test_the_registry_lists_unconfigured_sources_and_creates_the_others() -> None:
    registry = ConnectorRegistry.discover(entry_points=False)
    assert list(registry.unconfigured({})) == ["news"]
    configured = {"news": {"base_url": "https://news.example.com/v1"}}
    assert registry.unconfigured(configured) == {}
    assert str(registry.create("news", configured["news"]).settings.base_url).startswith("https://news")


def test_creating_an_unconfigured_source_names_the_variable() -> None:
    registry = ConnectorRegistry.discover(entry_points=False)
    with pytest.raises(
        ConnectorSettingsError,
        match="not configured and will not run; to use it, set INGEST_SOURCES__NEWS__BASE_URL",
    ):
        registry.create("news", {})


def test_a_missing_value_beside_a_wrong_one_is_told_in_words() -> None:
    with pytest.raises(ConnectorSettingsError) as caught:
        build_settings("news", Settings, {"token": "x", "page_size": "many"})
    assert "INGEST_SOURCES__NEWS__BASE_URL: has no value, and no default" in str(caught.value)
    assert "INGEST_SOURCES__NEWS__PAGE_SIZE: " in str(caught.value)


def test_settings_for_a_source_without_settings_are_refused(discover: Discover, source: str) -> None:
    with pytest.raises(ConnectorSettingsError, match="unknown setting; the source has none"):
        discover(prices=source).create("prices", {"base_url": "x"})


def test_checking_all_settings_finds_every_problem_of_every_source() -> None:
    registry = ConnectorRegistry.discover(entry_points=False)
    registry.check_settings({"weather": {"page_days": "31"}})
    with pytest.raises(ConnectorSettingsError) as caught:
        registry.check_settings({"wether": {"page_days": 3}, "weather": {"page_days": 93, "base_url": "x"}})
    text = str(caught.value)
    assert "INGEST_SOURCES__WETHER: no source is called 'wether'; did you mean 'weather'?" in text
    assert "INGEST_SOURCES__WEATHER__PAGE_DAYS: " in text
    assert "INGEST_SOURCES__WEATHER__BASE_URL: " in text


def test_settings_of_a_quarantined_source_do_not_stop_the_others(discover: Discover, source: str) -> None:
    registry = discover(prices=source, broken="def")
    registry.check_settings({"broken": {"base_url": "x"}})


def test_a_validator_that_fails_is_told_and_the_value_is_not_shown() -> None:
    class Hasty(BaseModel):
        region: str

        @field_validator("region")
        @classmethod
        def _lookup(cls, region: str) -> str:
            return {"north": "n"}[region]

    with pytest.raises(ConnectorSettingsError, match="a validator raised KeyError") as caught:
        build_settings("news", Hasty, {"region": "s3cret"})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
