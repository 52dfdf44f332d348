"""Settings: precedence, origins, and a clear answer to every wrong one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from runtime.errors import SettingsError
from runtime.settings import HttpSettings, KafkaSettings, load_settings, load_with_origins


def problems(env: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(overrides, env=env or {})
    return list(caught.value.problems)


def test_without_anything_set_the_defaults_of_the_names_page_hold() -> None:
    settings = load_settings(env={})
    assert settings.topic_prefix == "ingest"
    assert settings.consumer.group == "ingest-loader"
    assert settings.clickhouse.address.port == 8123
    assert settings.http.host == "127.0.0.1"


def test_each_place_beats_the_next(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    config = tmp_path / "ingest.toml"
    names = ["flag", "environment", "secret", "toml"]
    config.write_text("".join(f'[sources.{name}]\nfrom = "toml"\n' for name in names))
    for name in names[:3]:
        (secrets / f"ingest_sources__{name}__from").write_text("secret\n")
    env = {f"INGEST_SOURCES__{name.upper()}__FROM": "environment" for name in names[:2]}
    env |= {"INGEST_CONFIG": str(config), "INGEST_SECRETS_DIR": str(secrets)}
    settings = load_settings({"sources.flag.from": "flag"}, env=env)
    assert {name: given["from"] for name, given in settings.sources.items()} == {name: name for name in names}


def test_the_origin_of_a_value_is_the_place_that_won(tmp_path: Path) -> None:
    config = tmp_path / "ingest.toml"
    config.write_text("[http]\nport = 1\nhost = 'a'\n[consumer]\ngroup = 'g'\n")
    password = tmp_path / "password"
    password.write_text("hunter2\n")
    env = {
        "INGEST_CONFIG": str(config),
        "INGEST_HTTP__PORT": "2",
        "INGEST_REGISTRY__PASSWORD_FILE": str(password),
    }
    loaded = load_with_origins({"http.host": "b"}, env=env)
    assert loaded.origin("http.host") == "flag"
    assert loaded.origin("http.port") == "environment"
    assert loaded.origin("consumer.group") == f"file {config}"
    assert loaded.origin("registry.password") == f"file {password}"
    assert loaded.origin("log.level") == "default"
    assert loaded.settings.registry.password is not None
    assert loaded.settings.registry.password.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    "overrides",
    [
        {"consumer.batch_rows": "7"},
        {"consumer": {"batch_rows": 7}},
        {"INGEST_CONSUMER__BATCH_ROWS": 7},
        {"ingest_consumer__batch_rows": "7"},
    ],
)
def test_overrides_may_be_dotted_nested_or_named_as_variables(overrides: Mapping[str, Any]) -> None:
    assert load_settings(overrides, env={}).consumer.batch_rows == 7


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("INGEST_DEV_BROKR", "did you mean INGEST_DEV_BROKER?"),
        ("INGEST_KAFKA_BOOTSTRAP_SERVERS", "INGEST_KAFKA__BOOTSTRAP_SERVERS"),
        ("INGEST_KAFKA__BOOTSTRAP_SERVER", "INGEST_KAFKA__BOOTSTRAP_SERVERS"),
        ("INGEST_CLICKHOUSE__URI", "INGEST_CLICKHOUSE__URL"),
        ("INGEST_LOGLEVEL", "INGEST_LOG__LEVEL"),
    ],
)
def test_an_unknown_variable_is_named_with_the_nearest_known_one(name: str, suggestion: str) -> None:
    (problem,) = problems({name: "x"})
    assert problem.startswith(f"{name}: there is no such setting")
    assert suggestion in problem


def test_an_unknown_key_is_found_in_every_place(tmp_path: Path) -> None:
    config = tmp_path / "ingest.toml"
    config.write_text("[consumer]\ngrup = 'x'\n")
    (tmp_path / "ingest_http__prt").write_text("1")
    env = {"INGEST_CONFIG": str(config), "INGEST_SECRETS_DIR": str(tmp_path), "INGEST_LOG__LEVL": "info"}
    found = problems(env, {"kafka.servers": "x"})
    assert [problem.split(":")[0] for problem in found] == [
        "kafka.servers",
        "INGEST_LOG__LEVL",
        str(tmp_path / "ingest_http__prt"),
        f"consumer.grup in {config}",
    ]


def test_all_faults_are_reported_at_once() -> None:
    assert len(problems({"INGEST_HTTP__PORT": "x", "INGEST_LOG__LEVEL": "loud", "INGEST_NO": "1"})) == 3


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("INGEST_CONSUMER__BATCH_ROWS", "-1", "must be greater than 0, got -1"),
        ("INGEST_CONSUMER__DRAIN_SECONDS", "inf", "must be at most 86400.0, got inf"),
        ("INGEST_CONSUMER__DRAIN_SECONDS", "nan", "must be at most 86400.0, got nan"),
        ("INGEST_PRODUCER__CHECKPOINT_RECORDS", "9" * 50, "must be at most 2147483647, got 999"),
        ("INGEST_CONSUMER__BATCH_ROWS", "many", "must be a whole number, got many"),
        ("INGEST_HTTP__PORT", "65536", "must be at most 65535, got 65536"),
        ("INGEST_PRODUCER__TOPIC_PARTITIONS", "-2", "must be at least -1, got -2"),
        ("INGEST_LOG__LEVEL", "loud", "must be 'debug', 'info', 'warning' or 'error', got loud"),
        ("INGEST_TOPIC_PREFIX", "a b", "must match"),
        ("INGEST_CONSUMER__BATCH_BYTES", "2 sacks", "must be a number of bytes, such as 67108864 or 64MiB"),
        ("INGEST_KAFKA__PROPERTIES", "[1]", "must be a JSON object"),
        ("INGEST_KAFKA__PROPERTIES", "{", "must be a JSON object"),
        ("INGEST_REGISTRY__URL", "localhost:8081", "must look like http://host:8081"),
        ("INGEST_REGISTRY__CA_FILE", "/not/there.pem", "must be a file that is there, got /not/there.pem"),
        ("INGEST_CLICKHOUSE__CA_FILE", "/", "must be a file that is there, got /"),
        ("INGEST_REGISTRY__URL", "http://u:hunter2@h", "must not hold user and password"),
    ],
)
def test_a_wrong_value_is_told_with_the_variable_and_the_reason(name: str, value: str, sentence: str) -> None:
    (problem,) = problems({name: value})
    assert problem.startswith(f"{name}: {sentence}")
    assert "hunter2" not in problem


def test_a_wrong_value_in_a_file_names_key_and_file(tmp_path: Path) -> None:
    config = tmp_path / "ingest.toml"
    config.write_text("[http]\nport = -1\n")
    assert problems({"INGEST_CONFIG": str(config)}) == [
        f"INGEST_HTTP__PORT (http.port in {config}): must be at least 0, got -1"
    ]


@pytest.mark.parametrize(
    ("text", "reason"), [(None, "No such file"), ("a = ", "is not valid TOML"), ("consumer = 1", "CONSUMER")]
)
def test_a_config_file_that_cannot_be_used_says_why(tmp_path: Path, text: str | None, reason: str) -> None:
    config = tmp_path / "ingest.toml"
    if text is not None:
        config.write_text(text)
    (problem,) = problems({"INGEST_CONFIG": str(config)})
    assert reason in problem
    assert str(config) in problem


@pytest.mark.parametrize(("text", "reason"), [(None, "No such file"), ("a = ", "is not valid TOML")])
def test_a_file_of_the_command_line_is_told_as_such(tmp_path: Path, text: str | None, reason: str) -> None:
    config = tmp_path / "mine.toml"
    if text is not None:
        config.write_text(text)
    with pytest.raises(SettingsError, match=reason) as caught:
        load_with_origins(env={"INGEST_CONFIG": "/another.toml"}, config=config)
    assert str(caught.value).startswith("--config: ")
    assert "another" not in str(caught.value)


def test_a_secrets_folder_that_is_named_must_exist(tmp_path: Path) -> None:
    (problem,) = problems({"INGEST_SECRETS_DIR": str(tmp_path / "no")})
    assert problem == f"INGEST_SECRETS_DIR: there is no folder {tmp_path / 'no'}"


def test_secrets_of_other_programs_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres_password").write_text("x")
    (tmp_path / "INGEST_CLICKHOUSE__URL").write_text("http://u:hunter2@ch:1/db\n")
    settings = load_settings(env={"INGEST_SECRETS_DIR": str(tmp_path)})
    assert settings.clickhouse.address.password == "hunter2"


def test_a_secret_file_that_is_missing_is_named_with_its_variable(tmp_path: Path) -> None:
    (problem,) = problems({"INGEST_CLICKHOUSE__URL_FILE": str(tmp_path / "gone")})
    assert problem.startswith("INGEST_CLICKHOUSE__URL_FILE: ")
    assert "No such file" in problem


def test_variables_of_ours_that_are_no_settings_are_known() -> None:
    env = {"INGEST_DEV_BROKER": "kafka", "INGEST_TEST_STACK": "containers", "INGEST_CONSUMER__GROUP": ""}
    assert load_settings(env=env).consumer.group == "ingest-loader"


def test_service_links_of_kubernetes_do_not_stop_a_start() -> None:
    env = {
        "INGEST_CONSOLE_PORT": "tcp://10.0.0.1:80",
        "INGEST_CONSOLE_PORT_80_TCP": "tcp://10.0.0.1:80",
        "INGEST_CONSOLE_PORT_80_TCP_ADDR": "10.0.0.1",
        "INGEST_CONSOLE_SERVICE_HOST": "10.0.0.1",
        "INGEST_CONSOLE_SERVICE_PORT_HTTP": "80",
    }
    assert load_settings(env=env) == load_settings(env={})


def test_settings_of_sources_arrive_as_they_were_written() -> None:
    env = {
        "INGEST_SOURCES__WEATHER__PLACES": '[{"name": "EWR"}]',
        "INGEST_SOURCES__WEATHER__BASE_URL": "http://h",
        "INGEST_SOURCES__NEWS_API__TOKEN_FILE": "/somewhere",
        "INGEST_SOURCES__NEWS_API__AUTH__KIND": "basic",
    }
    assert load_settings(env=env).sources == {
        "weather": {"places": '[{"name": "EWR"}]', "base_url": "http://h"},
        "news_api": {"token_file": "/somewhere", "auth": {"kind": "basic"}},
    }


def test_a_sources_settings_may_be_one_json_object() -> None:
    assert load_settings(env={"INGEST_SOURCES__NEWS": '{"pages": 3}'}).sources == {"news": {"pages": 3}}


def test_connector_paths_are_separated_as_in_path() -> None:
    settings = load_settings(env={"INGEST_CONNECTORS__PATHS": "/a::/b c"})
    assert settings.connectors.paths == (Path("/a"), Path("/b c"))


def test_sizes_may_have_units() -> None:
    assert load_settings({"consumer.batch_bytes": "2MiB"}, env={}).consumer.batch_bytes == 2 * 1024**2


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load_settings(env={}).http.port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        HttpSettings(prt=1)  # type: ignore[call-arg]


def test_no_secret_shows_in_any_text_of_the_settings() -> None:
    properties = '{"sasl.password": "hunter2", "ssl.key.password": "hunter2", "sasl.username": "us"}'
    env = {
        "INGEST_CLICKHOUSE__URL": "http://u:hunter2@h",
        "INGEST_REGISTRY__PASSWORD": "hunter2",
        "INGEST_KAFKA__PROPERTIES": properties,
        "INGEST_SOURCES__NEWS__API_KEY": "hunter2",
    }
    settings = load_settings(env=env)
    texts = [
        str(settings),
        repr(settings),
        str(settings.clickhouse.address),
        repr(settings.clickhouse.address),
    ]
    assert not [text for text in texts if "hunter2" in text]


@pytest.mark.parametrize(
    "env",
    [
        {"INGEST_CLICKHOUSE__URL": "http://u:hunter2/x@h:1/db"},
        {"INGEST_CLICKHOUSE__URL": "http://u:hunter2@h:port/db"},
        {"INGEST_CLICKHOUSE__URL": "clickhouse://u:hunter2@h:9000/db"},
        {"INGEST_CLICKHOUSE__URL": "http://u:hunter2@h/a/b"},
        {"INGEST_CLICKHOUSE__URL": "http://u:hunter2@h/a?x=1"},
        {"INGEST_CLICKHOUSE__URL": "u:hunter2@h"},
        {"INGEST_REGISTRY__URL": "http://u:hunter2@[h"},
        {"INGEST_KAFKA__PROPERTIES": '{"sasl.password": ["hunter2"]}'},
        {"INGEST_KAFKA__PROPERTIES": '{"sasl.passwort": "hunter2"}'},
        {"INGEST_SOURCES__NEWS": "hunter2"},
    ],
)
def test_no_secret_shows_in_an_error(env: Mapping[str, str]) -> None:
    (problem,) = problems(env)
    assert "hunter2" not in problem
    assert next(iter(env)) in problem


def test_properties_may_be_single_variables_and_merge_with_the_object(tmp_path: Path) -> None:
    config = tmp_path / "ingest.toml"
    config.write_text('[kafka.properties]\n"linger.ms" = 5\nsasl.username = "toml"\nlog_level = 3\n')
    env = {
        "INGEST_CONFIG": str(config),
        "INGEST_KAFKA__PROPERTIES": '{"sasl.username": "json"}',
        "INGEST_KAFKA__PROPERTIES__SASL_PASSWORD": "hunter2",
        "INGEST_KAFKA__PROPERTIES__LOG_LEVEL": "7",
    }
    properties = load_settings(env=env).kafka.properties
    assert properties.keys() == {"linger.ms", "sasl.username", "sasl.password", "log_level"}
    assert properties["sasl.username"] == "json"
    assert properties["linger.ms"] == 5


def test_kafka_settings_can_be_built_by_hand() -> None:
    with pytest.raises(ValidationError, match="'acks' cannot be set"):
        KafkaSettings(properties={"acks": "1"})
