"""Reads what an HTTP request asks for: who asks, the statement's settings and parameters, formats, ids."""

import base64
import binascii
import hmac
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from devstack.clickhouse.errors import StatementError

# URL parameters that are the interface's own; every other one is a setting for the engine.
_OWN = frozenset(
    {
        *("query", "database", "default_format", "query_id", "user", "password", "quota_key", "role"),
        *("session_id", "session_timeout", "session_check", "compress", "decompress", "buffer_size"),
        *("wait_end_of_query", "client_protocol_version", "stacktrace", "close_session"),
    }
)
_PARAMETER = "param_"
_EXTERNAL = ("_format", "_types", "_structure")


@dataclass(frozen=True)
class Access:
    """The one user that may ask. `check` False lets everybody in, whatever they say."""

    user: str = "default"
    password: str = ""
    check: bool = True

    def __repr__(self) -> str:
        return f"Access(user={self.user!r}, check={self.check})"

    def admit(self, headers: Mapping[str, str], url: Mapping[str, str]) -> None:
        """Raise StatementError (516) unless the request names the user and the password."""
        user, password = _credentials(headers, url)
        if not self.check:
            return
        same_user = hmac.compare_digest(user.encode(), self.user.encode())
        if not (same_user and hmac.compare_digest(password.encode(), self.password.encode())):
            raise _refused(
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name."
            )


@dataclass(frozen=True)
class Request:
    """A request apart from its body. Values are texts as they stood in the URL."""

    query: bytes
    query_id: str
    database: str | None
    default_format: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    externals: Mapping[str, Mapping[str, str]]
    content_encoding: str
    compressed_blocks: bool
    accept_encoding: str
    read_only: bool

    @property
    def cancel_on_disconnect(self) -> bool:
        """Whether a query is to end when the client hangs up."""
        return self.settings.get("cancel_http_readonly_queries_on_client_close") in ("1", "true")


def read_request(method: str, headers: Mapping[str, str], url: Iterable[tuple[str, str]]) -> Request:
    """Return the request. `headers` finds names whatever their case. Raises StatementError."""
    pairs = list(url)
    values = dict(pairs)
    if values.get("compress") in ("1", "true"):
        raise StatementError(
            48,
            "NOT_IMPLEMENTED",
            "The dev stack does not answer in ClickHouse's own compressed blocks (compress=1); "
            "use enable_http_compression=1 with Accept-Encoding",
        )
    compresses = values.get("enable_http_compression", "1") in ("1", "true")
    externals = _externals(values)
    return Request(
        # A part of the query may stand in several parameters of this name.
        query="".join(value for name, value in pairs if name == "query").encode("utf-8", "surrogateescape"),
        query_id=values.get("query_id") or str(uuid.uuid4()),
        database=values.get("database") or headers.get("X-ClickHouse-Database"),
        default_format=values.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated",
        settings=_settings(values, externals),
        parameters=_parameters(values),
        externals=externals,
        content_encoding=headers.get("Content-Encoding", ""),
        compressed_blocks=values.get("decompress") in ("1", "true"),
        accept_encoding=headers.get("Accept-Encoding", "") if compresses else "",
        read_only=method != "POST",
    )


def _parameters(values: Mapping[str, str]) -> dict[str, str]:
    size = len(_PARAMETER)
    return {name[size:]: value for name, value in values.items() if name.startswith(_PARAMETER)}


def form_parameters(values: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return the query and its parameters from the text fields of a form."""
    return values.get("query", "").encode("utf-8", "surrogateescape"), _parameters(values)


def _externals(values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Names of tables that come with the request, with what is said of them (format, types, structure)."""
    found: dict[str, dict[str, str]] = {}
    for name, value in values.items():
        for suffix in _EXTERNAL:
            table = name.removesuffix(suffix)
            # Settings end in _format as well: a table is one that also says what its columns are.
            described = f"{table}_structure" in values or f"{table}_types" in values
            if table not in ("", name) and described:
                found.setdefault(table, {})[suffix[1:]] = value
    return found


def _settings(values: Mapping[str, str], externals: Iterable[str]) -> dict[str, str]:
    about_tables = {f"{table}{suffix}" for table in externals for suffix in _EXTERNAL}
    return {
        name: value
        for name, value in values.items()
        if name not in _OWN and name not in about_tables and not name.startswith(_PARAMETER)
    }


def _credentials(headers: Mapping[str, str], url: Mapping[str, str]) -> tuple[str, str]:
    """User and password by header, HTTP's basic scheme, or URL; an absent user is `default`."""
    user = headers.get("X-ClickHouse-User", "")
    password = headers.get("X-ClickHouse-Key", "")
    basic = headers.get("Authorization", "")
    in_url = "user" in url or "password" in url
    if sum((bool(user or password), bool(basic), in_url)) > 1:
        raise _refused("Invalid authentication: it is not allowed to use several schemes simultaneously")
    if basic:
        user, password = _basic(basic)
    elif in_url:
        user, password = url.get("user", ""), url.get("password", "")
    return user or "default", password


def _basic(header: str) -> tuple[str, str]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        raise _refused(f"Invalid authentication: '{scheme}' HTTP Authorization scheme is not supported")
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise _refused("Invalid authentication: the Authorization header cannot be read") from exc
    user, _, password = text.partition(":")
    return user, password


def _refused(message: str) -> StatementError:
    return StatementError(516, "AUTHENTICATION_FAILED", message)
