"""The account of what was extracted: one entry for each checkpoint, in the transaction of its records.

The ledger is a topic like any source's, typed and loaded like one; loading it is not ledgered.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from schemas.contract import SourceContract
from schemas.encoder import RecordEncoder

SOURCE = "ledger"


class Range(BaseModel):
    """Offsets of one partition: the records of a checkpoint stand from `first` on and before `end`."""

    topic: str = Field(description="Topic of the records or of the dead letters")
    partition: int
    first: int = Field(description="No record of this checkpoint stands before it")
    end: int = Field(description="All records of this checkpoint stand before it")


class LedgerEntry(BaseModel):
    """One checkpoint of a run: extracted = published + rejected + deduplicated."""

    kind: Literal["extraction"] = "extraction"
    source: str = Field(description="Source that ran")
    run_id: str = Field(description="Run that the checkpoint belongs to, as in its records")
    checkpoint: int = Field(description="Counts the checkpoints of a run from 1")
    job_id: str = Field(description="Job that asked for the run")
    writer: str = Field(description="Host and process that ran it")
    started: AwareDatetime = Field(description="When the run started")
    written: AwareDatetime = Field(description="When the checkpoint was written")
    completed: bool = Field(description="Whether the run reached the end of its source here")
    since: str | None = Field(None, description="Where the run began, as JSON; none: from nothing")
    cursor: str | None = Field(None, description="Stored cursor after it, as JSON; none: there is none")
    extracted: int = Field(description="Items that the connector yielded")
    published: int = Field(description="Records in the topic")
    rejected: int = Field(description="Items in the dead-letter topic")
    deduplicated: int = Field(description="Items left out because they are in the topics already")
    ranges: list[Range] = Field(description="Where the published and rejected ones stand")


class Ledger:
    """Encodes entries under their registered schema."""

    def __init__(self, encoder: RecordEncoder) -> None:
        self._encoder = encoder

    def message(self, entry: LedgerEntry) -> tuple[bytes, bytes]:
        """Key and value of the entry's record."""
        [message] = self._encoder.encode([entry], extracted_at=entry.written, run_id=entry.run_id)
        return message["key"], message["value"]


def contract() -> SourceContract:
    """The contract of the ledger's records."""
    return SourceContract(
        source=SOURCE,
        record=LedgerEntry,
        key=("source", "run_id", "checkpoint"),
        event_time="written",
        doc="What was extracted and published, checkpoint by checkpoint.",
    )
