"""What an author implements: one class, one model, one generator.

    class Prices(BaseConnector):
        name = "prices"

        class Record(BaseModel):
            id: int
            price: Decimal

        def extract(self, since=None):
            yield {"id": 1, "price": "9.90"}

Everything else has a default. This room knows nothing of Kafka, cursors or retries of runs: the producer
iterates what is declared here, and `connectors.declaration` checks it once, at discovery.
"""

from __future__ import annotations

import inspect
import uuid
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from connectors.checkpoint import Checkpoint
from connectors.errors import RecordError, SinceError, UntilError
from connectors.since import examples, read_since
from schemas.contract import SourceContract, data_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.schedule import Schedule
    from schemas.records import DataRecord


class NoSettings(BaseModel):
    """The settings of a source that has none: any given key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Missed = Literal["once", "all", "skip"]


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


class BaseConnector(ABC):
    """Contract of a source: where its records come from and what they look like.

    Declared on the class, read once at discovery:

    name        lowercase noun, `^[a-z][a-z0-9_]{0,62}$`, unique; class attribute or property. It names topic
                (`ingest.<name>`), table and settings (`INGEST_SOURCES__<NAME>__<FIELD>`) and must not change.
    Record      pydantic model of one record; becomes the Avro schema and the columns. No field name may
                start with an underscore.
    Settings    pydantic model of the settings. A field without default makes the source "not configured",
                and so not run, until someone gives it a value.
    schedule    `every(minutes=15)`, `cron("0 6 * * *", "Europe/Berlin")` or the same as text.
    missed      what becomes of ticks that pass while the source is paused, runs, or has no producer: "once"
                (one run makes up for all), "all" (one run each, one after the other) or "skip".
    jitter      a timedelta: each tick is due up to so much later, always by the same amount.
    rate_limit  "10/hour" or several such: runs per window.
    request_limit  "60/minute" or several such: requests of `http_client` per window.
    upstream    what the limits belong to, such as "github": sources that name the same one are counted
                together. A source that names none is an upstream of its own, of its own name.
    key         field or fields that identify a record for ever; none: the record's content does.
    event_time  datetime field that says when it happened; none: the time of extraction.
    sort        fields by which the table is sorted.
    mode        "append": every record is a row. "upsert" (one row per key, the newest counts) is kept for a
                later version and set aside at discovery until then.
    cursor      field whose maximum is the next run's `since`; none: every run starts from nothing.
    ordered     True only if records always come in cursor order. Then the cursor moves while a run goes on;
                otherwise at its end, and wherever `extract` yields a `Checkpoint`: a crash in mid-run would
                skip whatever had not come yet.
    lookback    how much earlier than the cursor `since` begins, for data that come late: a timedelta or a
                number, whatever can be taken from a value of the cursor. What is in the topic unchanged is
                not published again.
    slice       how much of the cursor one call of `extract` takes in a backfill: a timedelta for times, a
                number for numbers; none: all of it. Needs an `extract` that takes `until`.
    State       pydantic model of a cursor of the connector's own, such as page tokens or a position per
                account, instead of `cursor`: `since` is the latest one that a `Checkpoint` gave.

    An instance lives for one run, in one thread. The constructor does no work and opens nothing.
    """

    Record: ClassVar[type[BaseModel]]
    Settings: ClassVar[type[BaseModel]] = NoSettings
    schedule: ClassVar[Schedule | str] = "every 1h"
    missed: ClassVar[Missed] = "once"
    jitter: ClassVar[timedelta] = timedelta(0)
    rate_limit: ClassVar[str | tuple[str, ...]] = ()
    request_limit: ClassVar[str | tuple[str, ...]] = ()
    upstream: ClassVar[str | None] = None
    key: ClassVar[str | tuple[str, ...]] = ()
    event_time: ClassVar[str | None] = None
    sort: ClassVar[str | tuple[str, ...]] = ()
    mode: ClassVar[Literal["append", "upsert"]] = "append"
    cursor: ClassVar[str | None] = None
    ordered: ClassVar[bool] = False
    lookback: ClassVar[Any] = None
    slice: ClassVar[Any] = None
    State: ClassVar[type[BaseModel] | None] = None

    settings: (
        Any  # an instance of Settings; a subclass may annotate it `settings: Settings` for the type checker
    )

    def __init__(self, settings: BaseModel | None = None) -> None:
        """Take validated settings; None builds `Settings()`, pydantic's error if a field is required."""
        self.settings = self.Settings() if settings is None else settings

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the source; must not depend on the settings: it is asked for before there are any."""

    @abstractmethod
    def extract(self, since: Any = None) -> Iterator[Any]:
        """Yield raw items: a generator, lazily, one page in memory at a time.

        `since` has the type of the cursor field and is inclusive: every record at or after it must come
        (again), earlier ones may. None: the first run, or a source without cursor: everything.

        It must keep no state between runs, must not catch GeneratorExit (a run may be closed at any yield;
        use `with` for what it opens) and must not wait without a time-out. It may raise anything: the run
        fails with the reason, what was already published stays, and the cursor does not move past it. Retry
        page fetches with `resilient_request`, on the function that fetches one page and never on this
        generator.

        For backfills it may take `until=None` as well, of the same type and exclusive: records at or after it
        need not come. It is then called once for each slice, on one instance.
        """

    def transform(self, item: Any) -> BaseModel:
        """Make one raw item one Record; the default validates it as it is.

        Pure: the same item gives an equal record, or replays would look like new data. An exception rejects
        this item alone: it goes to the dead-letter topic with the reason, the run goes on.
        """
        return self.Record.model_validate(item)

    def run(
        self, since: Any = None, *, run_id: str | None = None, clock: Callable[[], datetime] = utc_now
    ) -> Iterator[DataRecord]:
        """Extract, transform and wrap, one record at a time; for tests and for a look at a source.

        `since` may be given as text. Raises SinceError for one that is not of the cursor's type,
        RecordError for the first item that does not fit (the producer goes on instead), and whatever
        `extract` raises.
        """
        contract, run_id = self.contract(), run_id or uuid.uuid4().hex
        items = (item for item in self.extract(self.parse_since(since)) if not isinstance(item, Checkpoint))
        for place, item in enumerate(items, start=1):
            try:
                record = self.transform(item)
            except Exception as exc:
                raise RecordError(
                    f"{contract.source}: item {place} is no {self.Record.__name__}: {exc}"
                ) from exc
            yield data_record(contract, record, extracted_at=clock(), run_id=run_id)

    @classmethod
    def contract(cls) -> SourceContract:
        """What the rest of the platform needs to know of this source."""
        return SourceContract(
            source=source_name(cls),
            record=cls.Record,
            key=as_names(cls.key),
            event_time=cls.event_time,
            sort=as_names(cls.sort),
            mode=cls.mode,
            doc=(cls.__doc__ or "").strip(),
        )

    @classmethod
    def cursor_type(cls) -> TypeAdapter[Any]:
        """Reads (`validate_python`) and writes (`dump_python(mode="json")`) values of the cursor or State."""
        if cls.State is not None:
            return TypeAdapter(cls.State)
        if cls.cursor is None:
            raise SinceError(
                f"{source_name(cls)} declares no cursor: every run starts from nothing, without `since`"
            )
        return TypeAdapter(cls.Record.model_fields[cls.cursor].rebuild_annotation())

    @classmethod
    def parse_since(cls, since: Any) -> Any:
        """A stored or typed `since` as a value of the cursor's type, else SinceError; None stays None.

        Where the type asks for a time zone, a date and a time without one mean UTC. Text that is a bare
        number is no time.
        """
        return cls._parse("since", since, SinceError)

    @classmethod
    def parse_until(cls, until: Any) -> Any:
        """The same for the end of a backfill; raises UntilError."""
        return cls._parse("until", until, UntilError)

    @classmethod
    def _parse(cls, what: str, given: Any, error: type[SinceError]) -> Any:
        if given is None:
            return None
        adapter = cls.cursor_type()
        try:
            if cls.State is not None and isinstance(given, str):
                # Typed by a person; a stored one is an object.
                return adapter.validate_json(given)
            return read_since(adapter, given)
        except ValueError as exc:  # pydantic's is one
            reason = exc.errors(include_url=False)[0]["msg"] if isinstance(exc, ValidationError) else str(exc)
            raise error(
                f"{what}={given!r} is no value of {source_name(cls)}'s {cls._cursor_words()}: "
                f"{reason}{examples(adapter)}"
            ) from exc

    @classmethod
    def has_cursor(cls) -> bool:
        """Whether runs have a `since`."""
        return cls.cursor is not None or cls.State is not None

    @classmethod
    def takes_until(cls) -> bool:
        """Whether `extract` can be told where to end."""
        return "until" in inspect.signature(cls.extract).parameters

    @classmethod
    def _cursor_words(cls) -> str:
        return f"cursor field `{cls.cursor}`" if cls.State is None else f"State {cls.State.__name__}"


def source_name(cls: type[BaseConnector]) -> str:
    """The name of a connector class, without building it: a property is asked before there are settings."""
    if isinstance(cls.name, str):
        return cls.name
    return object.__new__(cls).name


def upstream_name(cls: type[BaseConnector]) -> str:
    """What the limits of a class belong to, and one process at a time owns: its upstream, or itself."""
    return cls.upstream or source_name(cls)


def as_names(names: str | tuple[str, ...]) -> tuple[str, ...]:
    """One field name or several, as a tuple."""
    return (names,) if isinstance(names, str) else tuple(names)
