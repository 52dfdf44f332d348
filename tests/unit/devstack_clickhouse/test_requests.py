"""What a request asks for is read from its URL and headers; credentials are checked."""

import base64

import pytest
from starlette.datastructures import Headers

from devstack.clickhouse.errors import StatementError
from devstack.clickhouse.requests import Access, Request, read_request


def _read(*url: tuple[str, str], method: str = "POST", **headers: str) -> Request:
    return read_request(
        method, Headers({name.replace("_", "-"): value for name, value in headers.items()}), url
    )


def _basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def test_what_is_not_the_interfaces_own_is_a_setting() -> None:
    request = _read(
        ("query", "SELECT "),
        ("query", "1"),
        ("query_id", "q"),
        ("database", "d"),
        ("session_id", "s"),
        ("wait_end_of_query", "1"),
        ("client_protocol_version", "54405"),
        ("param_x", "1"),
        ("max_threads", "2"),
        ("log_queries", "0"),
    )

    assert request.query == b"SELECT 1"
    assert (request.query_id, request.database) == ("q", "d")
    assert request.settings == {"max_threads": "2", "log_queries": "0"}
    assert request.parameters == {"x": "1"}


def test_a_request_without_a_query_id_gets_one_of_its_own() -> None:
    assert _read().query_id != _read().query_id


def test_tables_of_the_request_are_told_from_settings() -> None:
    request = _read(
        ("ids_format", "CSV"), ("ids_structure", "a Int8"), ("x_types", "Int8"), ("input_format", "1")
    )

    assert request.externals == {"ids": {"format": "CSV", "structure": "a Int8"}, "x": {"types": "Int8"}}
    assert request.settings == {"input_format": "1"}


def test_format_and_database_may_stand_in_headers() -> None:
    request = _read(X_ClickHouse_Format="JSON", X_ClickHouse_Database="d")

    assert (request.default_format, request.database) == ("JSON", "d")


def test_only_post_may_change_something() -> None:
    assert [_read(method=method).read_only for method in ("GET", "HEAD", "POST")] == [True, True, False]


def test_answers_are_compressed_only_if_the_setting_allows() -> None:
    assert _read(Accept_Encoding="lz4").accept_encoding == "lz4"
    assert _read(("enable_http_compression", "0"), Accept_Encoding="lz4").accept_encoding == ""


def test_answers_in_native_blocks_are_refused_with_what_to_use() -> None:
    with pytest.raises(StatementError, match="enable_http_compression=1"):
        _read(("compress", "1"))


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({"X-ClickHouse-User": "ann", "X-ClickHouse-Key": "p:w"}, {}),
        (_basic("ann:p:w"), {}),
        ({}, {"user": "ann", "password": "p:w"}),
    ],
)
def test_the_user_is_admitted_by_each_scheme(headers: dict[str, str], url: dict[str, str]) -> None:
    Access("ann", "p:w").admit(Headers(headers), url)
    with pytest.raises(StatementError) as refused:
        Access("ann", "other").admit(Headers(headers), url)
    assert (refused.value.code, refused.value.status) == (516, 403)


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({"Authorization": "Basic !"}, {}),
        ({"Authorization": "Bearer x"}, {}),
        ({**_basic("default:"), "X-ClickHouse-User": "default"}, {}),
        (_basic("default:"), {"user": "default"}),
        ({}, {"password": "wrong"}),
        ({}, {"user": "nobody"}),
    ],
)
def test_others_are_refused(headers: dict[str, str], url: dict[str, str]) -> None:
    with pytest.raises(StatementError, match="uthentication"):
        Access().admit(Headers(headers), url)


def test_the_default_user_has_no_password_and_checks_can_be_off() -> None:
    Access().admit(Headers({}), {})
    Access(check=False).admit(Headers({}), {"user": "nobody", "password": "x"})


def test_the_password_is_never_shown() -> None:
    assert "secret" not in repr(Access("ann", "secret"))
