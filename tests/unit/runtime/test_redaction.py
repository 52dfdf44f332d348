"""Secrets do not show: by name, by value, inside URLs."""

import pytest
from pydantic import SecretStr

from runtime.redaction import HIDDEN, hide, hide_text, looks_secret, secret_values
from runtime.settings import load_settings


@pytest.mark.parametrize(
    "name",
    ["password", "sasl.password", "API_KEY", "api-key", "access_token", "Authorization", "client_secret"],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["key", "sort_key", "path", "author", "monkey", "group.id", "passenger"])
def test_ordinary_names_are_left_alone(name: str) -> None:
    assert not looks_secret(name)


def test_secrets_are_hidden_at_any_depth() -> None:
    shown = hide(
        {"a": [{"token": "x"}, ("see hunter2",)], "password": "", "n": 3, "s": SecretStr("y")}, ["hunter2"]
    )
    assert shown == {"a": [{"token": HIDDEN}, [f"see {HIDDEN}"]], "password": "", "n": 3, "s": HIDDEN}


def test_passwords_in_urls_are_hidden_and_the_rest_stays() -> None:
    assert hide_text("at http://u:p%40@h:1/x?a=b, https://h") == f"at http://u:{HIDDEN}@h:1/x?a=b, https://h"


def test_the_secrets_of_settings_are_found_in_every_spelling() -> None:
    env = {
        "INGEST_CLICKHOUSE__URL": "http://u:hunt%2Fer2@h",
        "INGEST_REGISTRY__PASSWORD": "registry!",
        "INGEST_KAFKA__PROPERTIES__SASL_PASSWORD": "broker",
        "INGEST_KAFKA__PROPERTIES__SASL_USERNAME": "someone",
        "INGEST_SOURCES__NEWS__API_KEY": "newskey",
        "INGEST_SOURCES__NEWS__KEY": "otherkey",
        "INGEST_SOURCES__NEWS__BASE_URL": "http://u:inurl@h",
        "INGEST_SOURCES__NEWS__REGION": "north",
        "INGEST_SOURCES__NEWS__TOKEN": "abc",
        "INGEST_SOURCES__NEWS__PASSWORD": "two\nlines\n",
    }
    found = secret_values(load_settings(env=env))
    assert {"hunt/er2", "hunt%2Fer2", "registry!", "broker", "newskey", "otherkey", "inurl"} <= set(found)
    assert HIDDEN in hide_text(f"Illegal header value {b'Bearer two%slines' % chr(10).encode()!r}", found)
    assert not {"someone", "north", "abc", ""} & set(found)
    assert list(found) == sorted(found, key=len, reverse=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/default",
        "http://default@127.0.0.1:1/default",
        "http://u:hunter2@127.0.0.1:1/default",
    ],
)
def test_where_clickhouse_is_can_be_read_and_its_password_cannot(url: str) -> None:
    settings = load_settings(env={"INGEST_CLICKHOUSE__URL": url})
    said = f"ClickHouse at {settings.clickhouse.address} does not answer"
    assert hide_text(said, secret_values(settings)) == said
    assert "hunter2" not in hide_text(f"cannot use {url}", secret_values(settings))
