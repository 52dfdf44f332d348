"""`ingest config`: what is in force, where it came from, whether it is right."""

import json
from pathlib import Path

import pytest

from runtime.exit_codes import ExitCode
from tests.unit.cli.conftest import Ingest

SECRETS = {
    "INGEST_CLICKHOUSE__URL": "https://us:hunter2@ch/db",
    "INGEST_KAFKA__PROPERTIES": '{"sasl.password": "hunter2", "linger.ms": 5}',
    "INGEST_REGISTRY__PASSWORD": "hunter2",
    "INGEST_SOURCES__PRICES__API_KEY": "hunter2",
    "INGEST_SOURCES__PRICES__ROWS": "7",
}


def test_show_prints_every_value_and_no_secret(ingest: Ingest) -> None:
    result = ingest("config", "show", **SECRETS)
    shown = dict(line.split(maxsplit=1) for line in result.out.splitlines()[1:])
    assert shown["clickhouse.url"] == "https://us:**********@ch:8443/db"
    assert shown["kafka.properties.linger.ms"] == "5"
    assert shown["kafka.properties.sasl.password"] == "**********"
    assert shown["sources.prices.rows"] == "7"
    assert shown["consumer.group"] == "ingest-loader"
    assert "hunter2" not in result.out + result.err


def test_show_says_where_a_value_comes_from(ingest: Ingest, tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text("[log]\nlevel = 'error'\n")
    result = ingest(
        "--config", str(config), "--set", "http.port=0", "config", "show", "--origin", "--json", **SECRETS
    )
    shown = json.loads(result.out)
    assert shown["log.level"] == {"value": "error", "origin": f"file {config}"}
    assert shown["http.port"] == {"value": 0, "origin": "flag"}
    assert shown["registry.password"] == {"value": "**********", "origin": "environment"}
    assert shown["topic_prefix"] == {"value": "ingest", "origin": "default"}


def test_a_wrong_setting_ends_with_3_and_a_block(ingest: Ingest) -> None:
    result = ingest("--set", "consumer.batch_rows=-1", "config", "show")
    assert result.code == ExitCode.CONFIG
    assert result.out == ""
    assert "INGEST_CONSUMER__BATCH_ROWS (consumer.batch_rows): must be greater than 0, got -1" in result.err
    assert "  next: " in result.err


def test_check_is_content_with_right_settings(ingest: Ingest, folder: Path) -> None:
    result = ingest("config", "check", **SECRETS)
    assert result.code == ExitCode.OK, result.err
    assert result.out == ""
    assert "settings are right; 4 sources found" in result.err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("INGEST_SOURCES__PRICES__ROWS", "many", "INGEST_SOURCES__PRICES__ROWS"),
        ("INGEST_SOURCES__PRICE__ROWS", "1", "did you mean 'prices'?"),
        ("INGEST_KAFKA__PROPERTIES__BATCH_SIZE", "big", "batch.size"),
        ("INGEST_CONNECTORS__PATHS", "/no/such/folder", "/no/such/folder"),
        ("INGEST_CONNECTORS__PATHS", "/no/such/folder", "ingest: a folder of connectors cannot be read"),
        ("INGEST_CONNECTORS__SKIP", "fligths", "no source is called 'fligths'; did you mean 'flights'?"),
    ],
)
def test_check_finds_what_only_connectors_and_librdkafka_know(
    ingest: Ingest, folder: Path, name: str, value: str, said: str
) -> None:
    result = ingest("config", "check", **{name: value})
    assert result.code == ExitCode.CONFIG
    assert said in result.err


def test_a_file_that_was_given_by_config_is_named_so(ingest: Ingest) -> None:
    result = ingest("--config", "/no/such.toml", "config", "check")
    assert result.code == ExitCode.CONFIG
    assert "--config: the file /no/such.toml cannot be read" in result.err
    assert "INGEST_CONFIG" not in result.err


def test_check_says_that_files_were_set_aside(ingest: Ingest, folder: Path) -> None:
    (folder / "broken.py").write_text("import nowhere_to_be_found")
    result = ingest("config", "check")
    assert result.code == ExitCode.OK
    assert "1 files or sources were set aside" in result.err


def test_quiet_leaves_the_talk_out(ingest: Ingest) -> None:
    assert ingest("--quiet", "config", "check").err == ""


def test_what_a_connector_declares_secret_is_not_shown_under_any_name(
    ingest: Ingest, folder: Path, tmp_path: Path
) -> None:
    prices = folder / "prices.py"
    declared = "        pin: SecretStr\n        login: dict[str, SecretStr] = {}\n"
    prices.write_text(
        prices.read_text()
        .replace("import BaseModel", "import BaseModel, SecretStr")
        .replace("        rows:", f"{declared}        rows:")
    )
    given = {
        "INGEST_SOURCES__PRICES__PIN": "hunter2",
        "INGEST_SOURCES__PRICES__LOGIN": '{"a": "hunter2"}',
        "INGEST_SOURCES__PRICES__ROWS": "7",
    }
    result = ingest("config", "show", **given)
    shown = dict(line.split(maxsplit=1) for line in result.out.splitlines()[1:])
    assert shown["sources.prices.rows"] == "7"
    assert shown["sources.prices.pin"] == "**********"
    assert "hunter2" not in result.out + result.err
    wrong = ingest("config", "show", INGEST_SOURCES__PRICES__ROWS="hunter2")
    assert "hunter2" not in wrong.out + wrong.err
