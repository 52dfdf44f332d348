"""Answers in a ClickHouse server's shape: headers, content types, the summary, error bodies."""

import json

from starlette.responses import PlainTextResponse, Response

from devstack.clickhouse.compression import choose_encoding, compress
from devstack.clickhouse.engine import Answer
from devstack.clickhouse.errors import StatementError

DISPLAY_NAME = "ingest-devstack"
_TEXT = "text/plain; charset=UTF-8"
_CONTENT_TYPES = {
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
}
_BINARY = ("Native", "RowBinary", "Avro", "Parquet", "Arrow", "ORC", "MsgPack", "Protobuf")


def ok() -> Response:
    """What a server says to health checks."""
    return Response(b"Ok.\n", headers=_common(), media_type="text/html; charset=UTF-8")


def no_such_handle(path: str) -> Response:
    """What a server says to a path it does not know."""
    text = f"There is no handle {path}\n\nUse / or /ping for health checks.\nSend queries with POST to /.\n"
    return PlainTextResponse(text, status_code=404, headers=_common())


def answer(result: Answer, query_id: str, result_format: str | None, accept_encoding: str) -> Response:
    """The answer to a statement; `result_format` is None for one that returns no rows by its nature."""
    headers = {**_common(query_id), "X-ClickHouse-Summary": json.dumps(_summary(result))}
    content_type = _TEXT
    if result_format is not None:
        headers["X-ClickHouse-Format"] = result_format
        content_type = _content_type(result_format)
    body = result.data
    encoding = choose_encoding(accept_encoding) if body else None
    if encoding:
        body = compress(body, encoding)
        headers["Content-Encoding"] = encoding
    return Response(body, headers={**headers, "Content-Type": content_type})


def refusal(error: StatementError, version: str, query_id: str | None) -> Response:
    """The answer to a statement that failed."""
    headers = {
        **_common(query_id),
        "X-ClickHouse-Exception-Code": str(error.code),
        "Content-Type": _TEXT,
    }
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
    return Response(error.body(version), status_code=error.status, headers=headers)


def _common(query_id: str | None = None) -> dict[str, str]:
    headers = {"X-ClickHouse-Server-Display-Name": DISPLAY_NAME, "X-ClickHouse-Timezone": "UTC"}
    if query_id and query_id.isascii() and query_id.isprintable():
        headers["X-ClickHouse-Query-Id"] = query_id
    return headers


def _content_type(name: str) -> str:
    if name in _CONTENT_TYPES:
        return _CONTENT_TYPES[name]
    if name.startswith(_BINARY):
        return "application/octet-stream"
    return "application/json; charset=UTF-8" if name.startswith("JSON") else _TEXT


def _summary(result: Answer) -> dict[str, str]:
    return {
        "read_rows": str(result.read_rows),
        "read_bytes": str(result.read_bytes),
        "written_rows": str(result.written_rows),
        "written_bytes": str(result.written_bytes),
        "total_rows_to_read": str(result.read_rows),
        "result_rows": str(result.result_rows),
        "result_bytes": str(result.written_bytes or len(result.data)),
        "elapsed_ns": str(int(result.seconds * 1e9)),
    }
