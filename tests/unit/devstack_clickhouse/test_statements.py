"""Statements are told apart by their tokens; what is rewritten is rewritten exactly."""

import pytest

from devstack.clickhouse.errors import StatementError
from devstack.clickhouse.statements import Insert, Query, parse


def _insert(text: bytes) -> tuple[Insert, bytes]:
    statement = parse(text)
    assert isinstance(statement, Insert)
    return statement, text[statement.data_start :]


def _query(text: bytes) -> Query:
    statement = parse(text)
    assert isinstance(statement, Query)
    return statement


@pytest.mark.parametrize(
    ("text", "target", "clauses", "fmt", "data"),
    [
        (b"INSERT INTO t FORMAT Avro\n\nObj", b"INSERT INTO t ", b"", b"Avro", b"\nObj"),
        (b"insert into t format CSV 1,2", b"insert into t ", b"", b"CSV", b"1,2"),
        (b"INSERT INTO t FORMAT CSV\r\n1", b"INSERT INTO t ", b"", b"CSV", b"1"),
        (b"INSERT t VALUES (1);", b"INSERT t ", b"", b"Values", b"(1);"),
        (
            b"INSERT INTO d.t (format, `values`) SETTINGS a = 'FORMAT X' FORMAT CSV\n1",
            b"INSERT INTO d.t (format, `values`) ",
            b"SETTINGS a = 'FORMAT X' ",
            b"CSV",
            b"1",
        ),
        (
            b"/* INSERT */ INSERT -- FORMAT X\nINTO TABLE t /* VALUES */ VALUES (1)",
            b"/* INSERT */ INSERT -- FORMAT X\nINTO TABLE t /* VALUES */ ",
            b"",
            b"Values",
            b"(1)",
        ),
        (
            b"INSERT INTO FUNCTION file('x', 'CSV') VALUES (1)",
            b"INSERT INTO FUNCTION file('x', 'CSV') ",
            b"",
            b"Values",
            b"(1)",
        ),
        # Names that look like keywords, and names that try to be more than a name.
        (b"INSERT INTO values VALUES (1)", b"INSERT INTO values ", b"", b"Values", b"(1)"),
        (
            b"INSERT INTO `x' FROM INFILE '/etc/passwd` FORMAT CSV\n1",
            b"INSERT INTO `x' FROM INFILE '/etc/passwd` ",
            b"",
            b"CSV",
            b"1",
        ),
    ],
)
def test_an_insert_is_parted_from_its_data(
    text: bytes, target: bytes, clauses: bytes, fmt: bytes, data: bytes
) -> None:
    statement, found = _insert(text)

    assert (statement.target, statement.clauses, statement.format) == (target, clauses, fmt)
    assert found == data


def test_an_insert_reads_its_data_from_a_file() -> None:
    statement, _ = _insert(b"INSERT INTO t SETTINGS a = 1 FORMAT CSV\n1")

    assert statement.from_file("f") == (
        b"INSERT INTO t  FROM INFILE 'f' COMPRESSION 'none' SETTINGS a = 1  FORMAT CSV"
    )


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT /* INSERT INTO t FORMAT CSV */ 1",
        b"-- INSERT INTO t FORMAT CSV\nSELECT 'INSERT INTO t VALUES (1)'",
        b"INSERT INTO t SELECT 1",
        b"INSERT INTO t (a) SELECT format FROM x",
        b"INSERT INTO t WITH 1 AS x SELECT x",
        b"INSERT INTO t (SELECT 1)",
        b"EXPLAIN INSERT INTO t VALUES",
        b"INSERT INTO t",
    ],
)
def test_a_statement_without_data_stays_as_it_is(text: bytes) -> None:
    assert _query(text).text == text


def test_data_is_not_read_as_sql() -> None:
    _, data = _insert(b"INSERT INTO t FORMAT RawBLOB\n'; DROP TABLE t; /* \xff\x00")

    assert data == b"'; DROP TABLE t; /* \xff\x00"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", 62),
        (b"  -- nothing\n/* at all */", 62),
        (b";", 62),
        (b"SELECT 1; DROP TABLE t", 62),
        (b"SELECT 1 /* ; */; -- ;\nSELECT 2", 62),
        (b"INSERT INTO t FORMAT CSV;1", 62),
        (b"SELECT 1 INTO OUTFILE 'x'", 358),
        (b"SELECT 1 INTO/**/outfile 'x' FORMAT CSV", 358),
        (b"INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV", 78),
        (b"INSERT INTO t SELECT * FROM input('a Int8') FORMAT CSV\n1", 48),
    ],
)
def test_what_a_server_refuses_over_http_is_refused(text: bytes, code: int) -> None:
    with pytest.raises(StatementError) as refused:
        parse(text)
    assert refused.value.code == code


@pytest.mark.parametrize("text", [b"SELECT 1;", b"SELECT 1 ; ; -- end", b"SELECT ';'"])
def test_a_semicolon_at_the_end_or_in_a_string_is_no_second_statement(text: bytes) -> None:
    assert _query(text).text in (b"SELECT 1", b"SELECT ';'")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"SELECT 1 FORMAT JSON", "JSON"),
        (b"SELECT 1 format `x`", None),
        (b"SELECT 1 FORMAT CSV SETTINGS max_threads = 1", "CSV"),
        (b"SELECT format FROM t", None),
        (b"SELECT 'FORMAT CSV'", None),
        (b"SELECT 1 -- FORMAT CSV", None),
        (b"SHOW TABLES FORMAT TSV;", "TSV"),
    ],
)
def test_the_format_at_the_end_is_known(text: bytes, name: str | None) -> None:
    assert _query(text).format == name


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"SELECT 1", True),
        (b"(SELECT 1)", True),
        (b"with 1 as x select x", True),
        (b"DESCRIBE TABLE t", True),
        (b"KILL QUERY WHERE 1", True),
        (b"CREATE TABLE t (a Int8) ENGINE = Memory", False),
        (b"INSERT INTO t SELECT 1", False),
    ],
)
def test_statements_that_return_rows_are_known(text: bytes, rows: bool) -> None:
    assert _query(text).returns_rows is rows


def test_kill_looks_for_the_clients_query_id() -> None:
    killing = _query(b"KILL QUERY WHERE query_id = 'query_id' /* query_id */ OR `query_id` = 'x' SYNC")

    ours = b"Settings['log_comment']"
    assert killing.text == (
        b"KILL QUERY WHERE " + ours + b" = 'query_id' /* query_id */ OR " + ours + b" = 'x' SYNC"
    )


def test_system_processes_shows_the_clients_query_id() -> None:
    text = _query(b"SELECT query_id FROM `system`.processes WHERE 'system.processes' != ''").text

    assert text.startswith(b"SELECT query_id FROM (SELECT * REPLACE (")
    assert text.endswith(b"FROM system.processes) WHERE 'system.processes' != ''")
