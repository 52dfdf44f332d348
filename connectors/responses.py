"""Reading answers of outside APIs: what they hold, whether waiting heals them, how long they ask to wait."""

from __future__ import annotations

import json
import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pydantic import BaseModel, ValidationError

from connectors.errors import UpstreamFormatError

if TYPE_CHECKING:
    from datetime import datetime

    import httpx

M = TypeVar("M", bound=BaseModel)
_SHOWN = 120


@overload
def json_of(response: httpx.Response) -> Any: ...
@overload
def json_of(response: httpx.Response, model: type[M]) -> M: ...
def json_of(response: httpx.Response, model: type[BaseModel] | None = None) -> Any:
    """The JSON document in the body; with a `model`, validated into it, so that its shape is known.

    Raises httpx.HTTPStatusError for an error status, and UpstreamFormatError if the body is no JSON (an HTML
    page, half a document, nothing) or not of the model's shape, with its content type and first characters.
    `resilient_request` tries the latter again.
    """
    response.raise_for_status()
    try:
        document = json.loads(response.content)
        return document if model is None else model.model_validate(document)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise _format_error(response, f"of another shape than expected ({where}: {first['msg']})") from exc
    except (ValueError, RecursionError) as exc:
        raise _format_error(response, f"that is no JSON ({exc})") from exc


def excerpt(response: httpx.Response) -> str:
    """The first characters of the body as a quoted text, for messages."""
    return repr(response.content[:_SHOWN].decode(errors="replace"))


def _format_error(response: httpx.Response, what: str) -> UpstreamFormatError:
    url, kind = location(response.url), response.headers.get("content-type", "no content type")
    return UpstreamFormatError(
        f"{url} answered {response.status_code} with {kind} {what}: "
        f"{len(response.content)} bytes beginning {excerpt(response)}",
        url=url,
        status=response.status_code,
    )


def location(url: httpx.URL) -> str:
    """The URL for messages: without query, fragment and user, where secrets stand."""
    return str(url.copy_with(query=None, fragment=None, username=None, password=None))


def status_heals(status: int) -> bool:
    """Whether the same request may succeed later: 408, 429 and all of 5xx."""
    return status in (408, 429) or 500 <= status < 600


def retry_after(response: httpx.Response, now: datetime) -> float | None:
    """Seconds that Retry-After asks to wait; None if it is absent, past, negative or garbage."""
    return retry_after_seconds(response.headers.get("retry-after", ""), now)


def retry_after_seconds(text: str, now: datetime) -> float | None:
    """The same for the header's text: seconds or an HTTP date."""
    text = text.strip()
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
