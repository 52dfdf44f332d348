"""Reading answers of outside APIs: what they hold, whether waiting heals them, how long they ask to wait."""

from __future__ import annotations

import json
import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from connectors.errors import UpstreamFormatError

if TYPE_CHECKING:
    from datetime import datetime

    import httpx

_SHOWN = 80


def json_of(response: httpx.Response) -> Any:
    """The JSON document in the body.

    Raises httpx.HTTPStatusError for an error status, and UpstreamFormatError if the body is no JSON (an
    HTML page, half a document, nothing), with its content type and first characters. `resilient_request`
    tries the latter again.
    """
    response.raise_for_status()
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError) as exc:
        kind = response.headers.get("content-type", "no content type")
        start = response.content[:_SHOWN].decode(errors="replace")
        raise UpstreamFormatError(
            f"{location(response.url)} answered {response.status_code} with {kind} that is no JSON ({exc}): "
            f"{len(response.content)} bytes beginning {start!r}",
            url=location(response.url),
            status=response.status_code,
        ) from exc


def location(url: httpx.URL) -> str:
    """The URL for messages: without query, fragment and user, where secrets stand."""
    return str(url.copy_with(query=None, fragment=None, username=None, password=None))


def status_heals(status: int) -> bool:
    """Whether the same request may succeed later: 408, 429 and all of 5xx."""
    return status in (408, 429) or 500 <= status < 600


def retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Seconds that Retry-After asks to wait; None if it is absent, past, negative or garbage."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        seconds = float(text)
    else:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        # HTTP dates are GMT; "-0000" makes the standard library answer with a naive one.
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return seconds if 0 <= seconds < math.inf else None
