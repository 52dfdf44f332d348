"""What can go wrong while a source runs, grouped by what happens to the job next.

ProducerError
├── SourceError               the connector raised, exited or gave nothing iterable: retried, attempts bounded
├── PublishFailedError        the broker refused records for good: retried, attempts bounded
├── RunLimitedError           `ingest run` was refused by a rate limit, which names the time
├── SourcePausedError         `ingest run` was refused since the source is paused
├── RequestRefusedError       the broker refused what an operator asked the fleet for
├── RunStoppedError           a retry's wait ended because the run has to; nothing was wrong
├── PublishAbandonedError     stopped before everything was acknowledged; the cursor has not moved
├── NotOwnedError             another producer has the source: its job is that one's
├── OvertakenError            another producer came in beside the group: the job waits and takes it back
├── BrokerAwayError           the broker did not answer in time: the job waits, no attempt is used up
└── SourceStoppedError        trying again will not help; the source is FAILED until something is changed
    ├── PublisherFencedError    a newer producer of this source has taken over
    ├── NoCursorError           its cursor cannot be set: it declares none
    ├── CursorInUseError        its cursor cannot be set now
    ├── CursorError             a stored cursor cannot be read or compared
    └── TopicRefusedError       a topic can be neither found nor created

Errors of `connectors` and `schemas` pass through this room unchanged; `next_step` sorts them into the same
groups. A record that is refused alone is no error of the run: it is a dead letter.
"""

import math
from enum import Enum

from connectors.errors import ConnectorError, LeaseLostError, StopSourceError, UpstreamError
from runtime.errors import DependencyError
from schemas.errors import (
    ContractError,
    IncompatibleSchemaError,
    RegistryRefusedError,
    RegistryUnavailableError,
    TopicNameError,
)


class ProducerError(Exception):
    """Root of what this room raises on purpose. `step`: what to do next, where only the error knows it."""

    def __init__(self, message: str = "", *, step: str | None = None) -> None:
        super().__init__(message)
        if step is not None:
            self.step = step


class SourceError(ProducerError):
    """The connector's own code ended the run; the original is the cause.

    `retry_after` is the wait in seconds that the outside API asked for, None if it did not.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PublishFailedError(ProducerError):
    """The broker refused records of this run, and not for being away; their number and its reason are in the
    text.
    """


class RunLimitedError(ProducerError):
    """A rate limit lets the source run, or go on, only later; the text says when."""


class SourcePausedError(ProducerError):
    """A paused source is not run here either; the text says who has paused it."""


class RequestRefusedError(ProducerError):
    """The broker did not take what was asked of the fleet, and not for being away."""


class RunStoppedError(ProducerError):
    """The run has to end while its connector waits to try a request again."""


class PublishAbandonedError(ProducerError):
    """The time to stop was over before the broker had acknowledged everything."""


class NotOwnedError(ProducerError):
    """The source belongs to another producer, which also has its jobs."""


class OvertakenError(ProducerError):
    """Somebody outside the producers' group ran a source that the group has given to this process (P8)."""


class BrokerAwayError(ProducerError, DependencyError):
    """The broker did not answer in time."""


class SourceStoppedError(ProducerError):
    """A person has to change something before this source can run again."""


class PublisherFencedError(SourceStoppedError):
    """The broker accepts a newer producer of this source only."""


class CursorError(SourceStoppedError):
    """A stored cursor cannot be read, or does not compare with the records' values."""


class NoCursorError(SourceStoppedError):
    """A cursor is to be set of a source that declares none."""


class CursorInUseError(SourceStoppedError):
    """A cursor is to be set that a run may write, or has written meanwhile."""


class TopicRefusedError(SourceStoppedError):
    """The broker neither has a topic nor lets us create it."""


class NextStep(Enum):
    """What happens to a job whose run raised."""

    WAIT = "a dependency is away, or another producer came in between: put back, attempts do not count"
    RETRY = "the run failed: tried again with a backoff, until its attempts are used up"
    STOP = "the source is FAILED until somebody asks for it, or a producer that was started afterwards has it"


_WAIT = (DependencyError, RegistryUnavailableError, PublishAbandonedError, NotOwnedError, OvertakenError)
_STOP = (
    SourceStoppedError,
    StopSourceError,
    ContractError,
    TopicNameError,
    IncompatibleSchemaError,
    RegistryRefusedError,
)


def next_step(error: BaseException) -> NextStep:
    """What to do after `error`; whatever nobody foresaw is worth a bounded number of retries."""
    # A lapsed lease ends the run inside its connector, which has done nothing wrong.
    if isinstance(error, _WAIT) or isinstance(error.__cause__, LeaseLostError):
        return NextStep.WAIT
    if isinstance(error, _STOP) or isinstance(error.__cause__, StopSourceError):
        return NextStep.STOP
    return NextStep.RETRY


def source_error(source: str, doing: str, error: BaseException) -> SourceError:
    """Say which source failed, doing what, and keep the wait that an outside API asked for."""
    retry_after = error.retry_after if isinstance(error, UpstreamError) else None
    text = (
        words_of(error) if isinstance(error, ConnectorError) else f"{type(error).__name__}: {words_of(error)}"
    )
    return SourceError(f"source {source}, {doing}: {text}", retry_after=_seconds(retry_after))


def words_of(error: BaseException) -> str:
    """What `error` says, its class if it says nothing; an author's own exception may fail even at that."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def _seconds(retry_after: object) -> float | None:
    """Authors raise UpstreamError too, maybe with the text of a header."""
    try:
        seconds = float(retry_after)  # type: ignore[arg-type]  # anything else is None
    except (TypeError, ValueError):
        return None
    return seconds if 0 <= seconds < math.inf else None
