"""What travels between the parts: a record in its envelope, and the job that asks for a run."""

from typing import Literal
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, SerializeAsAny

# The two states, in the producer's words, in which a job is that was put back.
Waits = Literal["BLOCKED", "RETRYING"]


class DataRecord(BaseModel):
    """The envelope around one record of a source.

    `id` is the same whenever the same source record is extracted; `event_time` is when it happened by the
    source's word, `extracted_at` when this run read it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    source: str
    event_time: AwareDatetime
    extracted_at: AwareDatetime
    run_id: str
    payload: SerializeAsAny[BaseModel]


class JobPayload(BaseModel):
    """What asks for one run of a source.

    `since` overrides the stored cursor (None: use it); `until`, exclusive, makes the run a backfill from
    there, which leaves the cursor alone; `not_before` delays the run; `attempt` counts from 1; `reason` says
    who or what asked, or why the job was put back; `tick` is the time by the schedule that a scheduled job is
    for, None for one that was asked for. A backfill that was cut short is gone on with by its `job_id`.

    `failed` is when its last attempt was used up: it is kept to be seen, and runs again only if it is asked
    for. `restart` asks for a new start of what the source is at, be it a run or a failed job; if it is at
    nothing, for a run. `waits` says of a job that was put back what it waits for: a limit or a server, or its
    next attempt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    since: JsonValue | None = None
    until: JsonValue | None = None
    job_id: str = Field(default_factory=lambda: uuid4().hex)
    not_before: AwareDatetime | None = None
    attempt: int = Field(default=1, ge=1)
    reason: str | None = None
    tick: AwareDatetime | None = None
    failed: AwareDatetime | None = None
    restart: bool = False
    waits: Waits | None = None


class Pause(BaseModel):
    """What keeps a source from running until it is deleted; `by` says who asked for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    at: AwareDatetime
    by: str
