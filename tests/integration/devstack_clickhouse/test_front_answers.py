"""Statuses, headers and bodies are those of a ClickHouse server, for clients that know nothing of chdb."""

import base64
import json

import pytest

from tests.integration.devstack_clickhouse.conftest import Ask


@pytest.mark.parametrize(
    ("statement", "status", "code", "name"),
    [
        (b"SELECT * FROM nope", 404, 60, "UNKNOWN_TABLE"),
        (b"SELECT * FROM nope.nope", 404, 81, "UNKNOWN_DATABASE"),
        (b"INSERT INTO nope FORMAT CSV\n1", 404, 60, "UNKNOWN_TABLE"),
        (b"SELECT nofunc(1)", 404, 46, "UNKNOWN_FUNCTION"),
        (b"SELECT nothing", 404, 47, "UNKNOWN_IDENTIFIER"),
        (b"selec 1", 400, 62, "SYNTAX_ERROR"),
        (b"1 + 1", 400, 62, "SYNTAX_ERROR"),
        (b"SELECT 1; SELECT 2", 400, 62, "SYNTAX_ERROR"),
        (b"", 400, 62, "SYNTAX_ERROR"),
        (b"SELECT throwIf(1, 'on purpose')", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        (b"SELECT sleep(3) SETTINGS max_execution_time = 0.2", 408, 159, "TIMEOUT_EXCEEDED"),
        (b"SELECT 1 SETTINGS nonsense = 1", 404, 115, "UNKNOWN_SETTING"),
        (b"SELECT 1 FORMAT Nonsense", 404, 73, "UNKNOWN_FORMAT"),
        (b"SELECT {a:Int32}", 500, 456, "UNKNOWN_QUERY_PARAMETER"),
        (b"SELECT CAST(unhex('fffe'), 'UUID')", 400, 376, "CANNOT_PARSE_UUID"),
        (b"SELECT 1 INTO OUTFILE '/tmp/x'", 500, 358, "INTO_OUTFILE_NOT_ALLOWED"),
    ],
)
def test_a_failure_has_the_servers_status_code_and_words(
    ask: Ask, statement: bytes, status: int, code: int, name: str
) -> None:
    answer = ask(statement, query_id="failing")

    assert answer.status == status
    assert answer.headers["x-clickhouse-exception-code"] == str(code)
    assert answer.headers["x-clickhouse-query-id"] == "failing"
    text = answer.body.decode()
    assert text.startswith(f"Code: {code}. DB::Exception: ")
    assert f" ({name}) (version 26." in text
    assert text.endswith(" (official build))\n")


def test_an_answer_carries_the_servers_headers(ask: Ask) -> None:
    answer = ask(b"SELECT number FROM numbers(3) FORMAT JSONEachRow", query_id="mine")

    assert (answer.status, answer.body) == (200, b'{"number":0}\n{"number":1}\n{"number":2}\n')
    headers = answer.headers
    assert headers["x-clickhouse-query-id"] == "mine"
    assert headers["x-clickhouse-format"] == "JSONEachRow"
    assert headers["x-clickhouse-timezone"] == "UTC"
    assert headers["x-clickhouse-server-display-name"]
    assert headers["content-type"] == "application/x-ndjson; charset=UTF-8"
    assert json.loads(headers["x-clickhouse-summary"])["result_rows"] == "3"


@pytest.mark.parametrize("path", ["/", "/ping", "/replicas_status"])
def test_health_checks_hear_ok(ask: Ask, path: str) -> None:
    answer = ask(method="GET", path=path)

    assert (answer.status, answer.body) == (200, b"Ok.\n")


def test_an_unknown_path_is_told_where_to_go(ask: Ask) -> None:
    answer = ask(method="GET", path="/nowhere")

    assert answer.status == 404
    assert b"There is no handle /nowhere" in answer.body
    assert b"Use / or /ping" in answer.body


def test_get_reads_and_does_not_write(ask: Ask) -> None:
    assert ask(method="GET", query="SELECT 1").body == b"1\n"
    refused = ask(method="GET", query="CREATE TABLE t (a Int8) ENGINE = Memory")

    assert (refused.status, refused.headers["x-clickhouse-exception-code"]) == (500, "164")


def test_an_unknown_database_is_told_before_the_statement_runs(ask: Ask) -> None:
    answer = ask(b"SELECT 1", database="nope")

    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (404, "81")


@pytest.mark.parametrize("name", ["nonsense", "a; DROP TABLE x", "max_threads = 1, readonly"])
def test_an_unknown_setting_is_told(ask: Ask, name: str) -> None:
    answer = ask(b"SELECT 1", **{name: "1"})

    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (404, "115")


def test_a_settings_value_cannot_break_out(ask: Ask) -> None:
    answer = ask(b"SELECT getSetting('session_timezone')", session_timezone="UTC', max_threads = '1")

    assert answer.headers["x-clickhouse-exception-code"] == "36"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-ClickHouse-User": "default", "X-ClickHouse-Key": "wrong"},
        {"Authorization": "Basic " + base64.b64encode(b"nobody:").decode()},
    ],
)
def test_strangers_are_refused_after_they_have_sent_their_body(ask: Ask, headers: dict[str, str]) -> None:
    answer = ask(b"INSERT INTO t FORMAT CSV\n" + b"1\n" * 500_000, headers=headers)

    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (403, "516")
    assert b"Authentication failed" in answer.body


def test_words_in_comments_and_strings_are_not_taken_for_statements(ask: Ask) -> None:
    hidden = b"/* INSERT INTO t FORMAT CSV */ SELECT 'INSERT INTO t VALUES (1); --' -- ; INTO OUTFILE 'x'"

    assert ask(hidden).body == b"INSERT INTO t VALUES (1); --\n"


def test_the_clients_own_query_id_is_shown_while_the_query_runs(ask: Ask) -> None:
    assert (
        ask(b"SELECT query_id FROM system.processes", query_id="me, 'myself'").body == b"me, \\'myself\\'\n"
    )
