"""Failures of an outside API in our words: which of them waiting heals, and the errors they become.

The only place that knows httpx's errors. Retrying itself is in `connectors.resilience`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from connectors.errors import UpstreamError, UpstreamFormatError, UpstreamRefusedError
from connectors.responses import excerpt, location, retry_after, status_heals

if TYPE_CHECKING:
    from datetime import datetime

_TRANSIENT = (
    httpx.TimeoutException,
    httpx.NetworkError,
    httpx.RemoteProtocolError,
    httpx.ProxyError,
    httpx.DecodingError,
    UpstreamFormatError,
    TimeoutError,
    ConnectionError,
)


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, httpx.HTTPStatusError):
        return status_heals(error.response.status_code)
    return isinstance(error, _TRANSIENT)


def given_up(error: BaseException, *, attempts: int, seconds: float, now: datetime) -> UpstreamError:
    """The error after the last attempt; `seconds` is the time since the first."""
    url, status = place_of(error)
    response = getattr(error, "response", None)
    kind = UpstreamFormatError if isinstance(error, UpstreamFormatError) else UpstreamError
    return kind(
        f"{describe(error)}; given up after {attempts} attempts in {seconds:.1f} s",
        url=url,
        status=status,
        attempts=attempts,
        seconds=seconds,
        retry_after=retry_after(response, now) if isinstance(response, httpx.Response) else None,
    )


def refused(error: httpx.HTTPStatusError | httpx.RequestError | httpx.InvalidURL) -> UpstreamRefusedError:
    """The error for what waiting does not heal: a status such as 404, an address without sense."""
    url, status = place_of(error)
    hint = "check the source's settings (address, credentials, parameters)"
    return UpstreamRefusedError(f"{describe(error)}; {hint}", url=url, status=status)


def without_query(error: BaseException) -> BaseException:
    """The same error, fit to be a cause: httpx writes the whole URL, keys included, into its message."""
    if isinstance(error, httpx.HTTPStatusError):
        error.args = (describe(error),)
    return error


def describe(error: BaseException) -> str:
    """Where and what, in one line, without the query of the URL."""
    if isinstance(error, UpstreamFormatError):
        return str(error)
    url, status = place_of(error)
    if isinstance(error, httpx.HTTPStatusError):
        what = f"answered with status {status}{_said(error.response)}"
    else:
        what = f"did not answer: {type(error).__name__} {error}".rstrip()
    return f"{url or 'the API'} {what}"


def _said(response: httpx.Response) -> str:
    """What the body says, as far as it was read."""
    return f" and {excerpt(response)}" if response.is_closed and response.content else ""


def place_of(error: BaseException) -> tuple[str | None, int | None]:
    """(URL without query, status) as far as the error knows them."""
    if isinstance(error, UpstreamFormatError):
        return error.url, error.status
    if isinstance(error, httpx.HTTPStatusError):
        return location(error.request.url), error.response.status_code
    try:
        return (location(error.request.url), None) if isinstance(error, httpx.RequestError) else (None, None)
    except RuntimeError:  # httpx: an error raised outside a request has none
        return None, None
