"""How far a source has been extracted: the value of its record on the cursors topic.

Reading and writing that topic is done in `cursors` and `publisher`; what a cursor's value means is the
connector's.
"""

from collections.abc import Sequence

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

# Topic to partition to offset.
Ends = dict[str, dict[int, int]]
# So many older marks are kept, the latest ones all, the others thinned out.
MARKS = 16
_LATEST = 4


class Mark(BaseModel):
    """No record before `ends` has a cursor value above `cursor`; None: their values are not known."""

    model_config = ConfigDict(frozen=True)

    cursor: JsonValue = None
    ends: Ends = Field(default_factory=dict)


class Position(BaseModel):
    """Where a source stands, written with each checkpoint in the transaction of its records.

    `cursor` is JSON, None for a source without one. `at` is when this was written, `completed` when the last
    run that reached the end of its source had started: None while there is none, so a first run cut short is
    seen; `finished` when it had ended. `checkpoint` counts those of the run `run_id`; `jobs` are the jobs it
    has done for the last time, `writer` the process. `ends` are the ends of the source's topics when the
    cursor last moved: what stands behind them, the cursor does not cover. `high` is the highest cursor value
    in the topic, which is above `cursor` where a connector that is not ordered has said how far it is safe,
    or a run was cut short or left a gap; a State has none. `marks` are older pairs of `high` and `ends`,
    oldest first. `backfills` are those not finished: by job, the value of the cursor field at which each
    goes on. Unknown keys are allowed: a newer version may write more.
    """

    model_config = ConfigDict(frozen=True)

    source: str = Field(exclude=True)
    cursor: JsonValue = None
    run_id: str
    at: AwareDatetime
    completed: AwareDatetime | None = None
    finished: AwareDatetime | None = None
    checkpoint: int = 0
    writer: str = ""
    jobs: tuple[str, ...] = ()
    ends: Ends = Field(default_factory=dict)
    high: JsonValue = None
    marks: tuple[Mark, ...] = ()
    backfills: dict[str, JsonValue] = Field(default_factory=dict)

    def message(self) -> tuple[bytes, bytes]:
        """Key and value of the record that stores this position."""
        return self.source.encode(), self.model_dump_json().encode()

    @property
    def mark(self) -> Mark:
        """The present pair of highest cursor value and ends."""
        return Mark(cursor=self.cursor if self.high is None else self.high, ends=self.ends)


def with_mark(marks: Sequence[Mark], latest: Mark) -> tuple[Mark, ...]:
    """`marks` and the latest one, thinned: the first and the latest stay, of the others every second goes."""
    together = (*marks, latest)
    if len(together) <= MARKS:
        return together
    return (*together[:1], *together[1:-_LATEST][::2], *together[-_LATEST:])
