"""Reads the URL of ClickHouse into the parts that its client asks for."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit


@dataclass(frozen=True)
class ClickHouseAddress:
    """Where ClickHouse's HTTP interface listens, and as whom to speak to it."""

    host: str
    port: int
    secure: bool
    username: str
    password: str = field(repr=False)
    database: str

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}/{self.database}"

    def client_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `clickhouse_connect.get_client`."""
        return {
            "host": self.host,
            "port": self.port,
            "interface": "https" if self.secure else "http",
            "username": self.username,
            "password": self.password,
            "database": self.database,
        }


def clickhouse_address(url: str) -> ClickHouseAddress:
    """Parse `http://user:password@host:8123/database`; user, password and database may be left out.

    A user or password with special characters is percent-encoded. Raises ValueError, whose message never
    quotes the URL, because it may hold a password.
    """
    parts = _split(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(
            f"must start with http:// or https://, not '{parts.scheme}://': the loader speaks "
            "ClickHouse's HTTP interface (port 8123, or 8443 with TLS)"
            if "://" in url
            else "must look like http://user:password@host:8123/database"
        )
    if not parts.hostname:
        raise ValueError("names no host; it must look like http://user:password@host:8123/database")
    if parts.query or parts.fragment:
        raise ValueError("must end after the database; settings in the URL ('?…') are not read")
    database = unquote(parts.path.strip("/"))
    if "/" in database:
        raise ValueError(
            "has more than one path segment after the port; only the database's name belongs there"
        )
    secure = parts.scheme == "https"
    return ClickHouseAddress(
        host=parts.hostname,
        port=parts.port or (8443 if secure else 8123),
        secure=secure,
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=database or "default",
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # urlsplit quotes what it could not read: a piece of a password with a bare '/', '#' or '@' in it.
        raise ValueError(
            "cannot be read as a URL; percent-encode special characters in the password "
            "('@' is %40, '/' is %2F, '#' is %23) and give the port as a number"
        ) from None
    return parts


def http_url(url: str) -> str:
    """Check the address of a registry; returns it without a trailing slash. Raises ValueError."""
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like http://host:8081")
    if parts.username or parts.password:
        raise ValueError(
            "must not hold user and password; set INGEST_REGISTRY__USERNAME and INGEST_REGISTRY__PASSWORD"
        )
    return url.rstrip("/")
