"""The stored form of one owner's use of an upstream, and how old such a record is.

Times are told as seconds before (or after) the record, so only its own age depends on clocks: the least that
the wall clock, the broker's clock and, on the machine that wrote it, the time since its start say. One clock
set forward opens no window; one set back makes nothing last longer than a window.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

from connectors.http.quotas import LONGEST

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
RUNS, REQUESTS = "runs", "requests"


class Blocked(BaseModel):
    """A quota that was exhausted for so many more seconds."""

    model_config = ConfigDict(frozen=True)

    host: str
    quota: str
    seconds: Annotated[Seconds, Field(le=LONGEST)]


class Record(BaseModel):
    """Value of a record of the limits topic. Unknown keys are allowed: a newer version may write more.

    `spent` has (seconds before `at`, count) of ended uses, below 0 for those that a former owner may still
    begin; `open` the tokens that were reserved or under way; both by kind (runs, requests). `includes` are
    the keys of former owners' records that are counted in it, `announced` the offset of its owner's first
    record (None in that one).
    `boot` and `up` say which life of which machine wrote it, and when in it.
    """

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    boot: str | None = None
    up: float = 0.0
    spent: dict[str, list[tuple[FiniteFloat, Count]]] = {}
    open: dict[str, Count] = {}
    blocked: list[Blocked] = []
    includes: list[str] = []
    announced: int | None = None

    @property
    def tells_something(self) -> bool:
        """Whether a later owner has to heed it."""
        return any(self.spent.values()) or any(self.open.values()) or bool(self.blocked)


@dataclass(frozen=True)
class Clocks:
    """What a record is dated with: wall clock, seconds that only go forward, and the machine's life."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    boot: str | None

    def stamped(self, **content: object) -> Record:
        """A record of this moment."""
        at = self.now().astimezone(UTC)
        return Record.model_validate({"at": at, "boot": self.boot, "up": self.monotonic(), **content})

    def age(self, record: Record, broker_seconds: float | None) -> float:
        """Seconds since `record`, never more than have passed unless all clocks are wrong alike.

        `broker_seconds` is the same by the broker's clock, None if it does not tell.
        """
        ages = [(self.now() - record.at).total_seconds()]
        if broker_seconds is not None:
            ages.append(broker_seconds)
        if record.boot is not None and record.boot == self.boot:
            ages.append(self.monotonic() - record.up)
        return max(min(ages), 0.0)
