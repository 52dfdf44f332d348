"""Errors of the authoring room, one tree, grouped by what to do next.

ConnectorError
├── LeaseLostError               this process may no longer own the source: end the run, another one goes on
├── UpstreamError                the outside API failed for now: try the source again later
│   ├── UpstreamFormatError      it answered, but not what it promised (HTML, half a JSON document)
│   └── QuotaExhaustedError      a quota is used up until a known time: end the run, run again then
├── RecordError                  one item does not fit its model: skip this record, go on
└── StopSourceError              the source stays off until a person changes something
    ├── UpstreamRefusedError     the API says no: address, credentials or request are wrong
    ├── MissingPackageError      the source needs a package that is not installed
    ├── SinceError               `since` is not a value of the cursor's type
    │   └── UntilError           nor is `until`, or it bounds nothing
    ├── ConnectorSettingsError   settings missing, unknown or wrong
    ├── UnknownSourceError       no source of that name
    │   └── QuarantinedSourceError   it was set aside, for a reason
    ├── DeclarationError         a class breaks the connector contract (quarantined at discovery)
    │   ├── ScheduleError        a schedule cannot be read
    │   └── RateLimitError       a rate limit cannot be read
    ├── DecorationError          `resilient_request` on something it cannot retry
    ├── ConnectorFolderError     a folder of connectors cannot be read: stop the start
    └── DuplicateSourceError     two sources of one name: stop the start

Errors of httpx leave this room as one of these, with the original as their cause. What belongs to the
runs themselves (rejected records, requeued jobs) is the producer's.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class ConnectorError(Exception):
    """Root of everything that this room raises on purpose."""


class LeaseLostError(ConnectorError):
    """This process cannot prove that it still owns the source, so it asks the outside API no more."""


class UpstreamError(ConnectorError):
    """An outside API failed for now; the source is late, nothing is lost: run it again later.

    `url` has neither query nor credentials. `status` is the HTTP status, None if no answer came. `attempts`
    is how often it was tried within `seconds`. `retry_after` is the wait in seconds that the API asked for,
    None if it did not ask.
    """

    def __init__(
        self,
        message: str,
        *,
        url: str | None = None,
        status: int | None = None,
        attempts: int = 1,
        seconds: float = 0.0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.url = url
        self.status = status
        self.attempts = attempts
        self.seconds = seconds
        self.retry_after = retry_after


class UpstreamFormatError(UpstreamError):
    """The API answered something else than it promised; `resilient_request` tries it again."""


class QuotaExhaustedError(UpstreamError):
    """No request fits before `until` (aware): end the run where it is, and run the source again then.

    `quota` is the limit's name for people: "600/minute of open_meteo", "core of api.github.com".
    `retry_after` is the same wait in seconds.
    """

    def __init__(
        self,
        quota: str,
        until: datetime,
        *,
        retry_after: float,
        url: str | None = None,
        status: int | None = None,
    ) -> None:
        until = until.astimezone(UTC)
        said = f"quota {quota} is used up until {until:%Y-%m-%dT%H:%M:%SZ}"
        super().__init__(said, url=url, status=status, retry_after=retry_after)
        self.quota = quota
        self.until = until


class RecordError(ConnectorError):
    """One item of a source does not fit its `Record`; the run may go on with the next."""


class StopSourceError(ConnectorError):
    """Trying again will not help: a person has to change something first."""


class UpstreamRefusedError(StopSourceError):
    """The API said no (401, 404, …), or cannot be asked at all (`status` is None); `url` has no query."""

    def __init__(self, message: str, *, url: str | None, status: int | None) -> None:
        super().__init__(message)
        self.url = url
        self.status = status


class MissingPackageError(StopSourceError):
    """The source reads something from a package that is not installed; the message says how to install it."""


class SinceError(StopSourceError):
    """`since` is not a value of the type of the source's cursor field."""


class UntilError(SinceError):
    """`until` is not a value of the type of the source's cursor field, or there is nothing that it bounds."""


class ConnectorSettingsError(StopSourceError):
    """Settings of a source are missing, unknown or wrong; each line names the variable to change."""


class UnknownSourceError(StopSourceError, KeyError):
    """No source has that name; the message suggests the nearest one."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0])


class QuarantinedSourceError(UnknownSourceError):
    """What has that name was set aside at discovery; the message has file, line and cause."""


class DeclarationError(StopSourceError):
    """A connector class breaks the contract; the message has the lines to add or change."""


class ScheduleError(DeclarationError, ValueError):
    """A schedule that cannot be read or never comes due."""


class RateLimitError(DeclarationError, ValueError):
    """A rate limit that cannot be read."""


class DecorationError(StopSourceError, TypeError):
    """`resilient_request` was put on something whose call does not do the work (a generator, a coroutine)."""


class ConnectorFolderError(StopSourceError):
    """A folder that should hold connectors is missing or unreadable."""


class DuplicateSourceError(StopSourceError):
    """Two sources have the same name; both places are named."""
