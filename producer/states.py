"""What a source is doing, for people: the words for it, and since when, why, until when."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """In upper case as Kafka Connect writes it."""

    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    BLOCKED = "BLOCKED"
    PAUSED = "PAUSED"
    FAILED = "FAILED"
    UNASSIGNED = "UNASSIGNED"


@dataclass(frozen=True)
class Failure:
    """A run that ended with an error, also one for want of broker or registry."""

    at: datetime
    reason: str


@dataclass(frozen=True)
class Status:
    """State of one source: since when, why or what it waits for, and when its next job is due.

    `waits` is what a run waits for in the midst of it. `last_success` is when a run last reached the end of
    its source, of an earlier life of the daemon too; `last_failure` is of this life.
    """

    state: State
    since: datetime
    reason: str | None = None
    next_due: datetime | None = None
    last_success: datetime | None = None
    last_failure: Failure | None = None
    waits: str | None = None
