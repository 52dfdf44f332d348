"""The URL of ClickHouse, in parts."""

from pathlib import Path

import pytest

from runtime.addresses import ClickHouseAddress, clickhouse_address
from runtime.settings import load_settings


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://h", ClickHouseAddress("h", 8123, False, "default", "", "default")),
        ("https://h/", ClickHouseAddress("h", 8443, True, "default", "", "default")),
        ("http://u@h:1/db", ClickHouseAddress("h", 1, False, "u", "", "db")),
        (
            "http://u%40x:p%2F%23%3A@[::1]:9/my%20db",
            ClickHouseAddress("::1", 9, False, "u@x", "p/#:", "my db"),
        ),
    ],
)
def test_each_part_is_read_and_unquoted(url: str, address: ClickHouseAddress) -> None:
    assert clickhouse_address(url) == address


def test_client_arguments_are_those_of_clickhouse_connect(tmp_path: Path) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.touch()
    env = {"INGEST_CLICKHOUSE__URL": "https://u:p@h/db", "INGEST_CLICKHOUSE__CA_FILE": str(trusted)}
    assert load_settings(env=env).clickhouse.client_arguments() == {
        "host": "h",
        "port": 8443,
        "interface": "https",
        "username": "u",
        "password": "p",
        "database": "db",
        "ca_cert": str(trusted),
    }
