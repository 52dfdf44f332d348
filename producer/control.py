"""What an operator asks of the fleet, from any machine: how sources are, pause, resume, trigger, restart.

Everything goes through Kafka: requests are records on the jobs topic, which the producer that runs the source
obeys, now or when it comes; its answer is the source's state.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException
from pydantic import JsonValue

from connectors.base import upstream_name
from connectors.registry import ConnectorRegistry
from producer.compacted import Delivery
from producer.errors import BrokerAwayError, RequestRefusedError
from producer.jobs import JobsTopic, Request, key_of, parse_request
from producer.limiter import utc_now
from producer.members import Members, members_of
from producer.states import State
from producer.states_topic import Announcement, read_states
from producer.topics import Topics
from runtime.errors import DependencyError
from runtime.kafka import client_properties
from runtime.settings import Settings
from runtime.topic_reader import read_to_end
from schemas.names import Names
from schemas.records import JobPayload, Pause

_FLUSH_SECONDS = 10.0
_LOOK_SECONDS = 0.3
NOBODY, CHANGING = "", "changing"


@dataclass(frozen=True)
class Told:
    """A source as the fleet has it. `told` is what was announced last, None if nothing ever was; `holder`:
    which producer has its partition now, NOBODY (there is none), CHANGING (it is being handed over), or None
    if that is not known. `jobs` are those that wait.
    """

    source: str
    told: Announcement | None
    holder: str | None
    pause: Pause | None
    jobs: tuple[JobPayload, ...]

    @property
    def present(self) -> Announcement | None:
        """What its owner of now has announced; None without one."""
        known_by_now = self.told is not None and self.holder in (self.told.owner, None)
        return self.told if known_by_now else None

    @property
    def state(self) -> State:
        """UNASSIGNED without a producer, whatever the last one has said."""
        return self.present.state if self.present else State.UNASSIGNED

    @property
    def detail(self) -> str | None:
        """Why it is so, or what it waits for."""
        if self.present is not None:
            return self.present.reason
        return f"{self._why_nobody}{self._before}"

    @property
    def _why_nobody(self) -> str:
        if self.holder == CHANGING:
            return "it is just being handed over"
        if self.holder in (NOBODY, None):
            return "no producer runs it: start one with `ingest producer run`"
        return (
            f"the producer {self.holder} has its partition, but does not run it: it is just taking it over, "
            "skips it, or has not found its file at its start; if the file is there now, start it again"
        )

    @property
    def _before(self) -> str:
        """What stays so until somebody changes it."""
        failed = next((job for job in self.jobs if job.failed is not None), None)
        told = f"; it FAILED before that: {failed.reason}" if failed else ""
        return f"; it is paused by {self.pause.by}{told}" if self.pause else told


class Control:
    """Asks and tells. Every call ends within seconds or raises BrokerAwayError."""

    def __init__(self, settings: Settings, connectors: ConnectorRegistry) -> None:
        """`connectors` are those known here; a source known to the fleet only can be controlled, too."""
        self._properties = client_properties(settings.kafka)
        self._reader = {**self._properties, "group.id": "ingest-control", "fetch.wait.max.ms": 10}
        self._names = Names(settings.topic_prefix)
        self._group = settings.producer.group
        self.connectors = connectors
        self._topics = Topics(self._properties, settings.producer)
        keys = {name: upstream_name(plugin.cls) for name, plugin in connectors.sources.items()}
        self._jobs = JobsTopic(
            self._properties, self._names.jobs, keys, lambda: self._topics.partitions(self._names.jobs)
        )

    def sources(self) -> dict[str, Told]:
        """All sources that were ever announced or asked for something, by name."""
        announced = self._announced()
        requests = self._requests()
        names = sorted({*announced, *(one.source for one in requests), *self.connectors.sources})
        members = self._members()
        return {
            name: _told(name, announced.get(name), self._holder(name, members), requests) for name in names
        }

    def source(self, name: str) -> Told:
        """One source; UnknownSourceError if neither this machine nor the fleet knows it."""
        found = self.sources().get(name)
        if found is None or found.told is None:
            self.connectors.get(name)
        return found or Told(name, None, None, None, ())

    def pause_of(self, name: str) -> Pause | None:
        """The pause of a source that is in force or asked for."""
        return _pause_of(name, self._requests())

    def pause(self, name: str, by: str) -> None:
        """End the source's run at its next checkpoint, and begin none until it is resumed."""
        self._write(Pause(source=name, at=utc_now(), by=by))

    def resume(self, name: str) -> None:
        """Take the pause back, wherever it is: one that was moved may have stayed in its former partition."""
        self._check_known(name)
        pause = Pause(source=name, at=utc_now(), by="")
        places = {
            partition
            for partition, request in self._placed_requests()
            if isinstance(request, Pause) and request.source == name
        }
        places.add(self._jobs.partition(name))
        self._confirm(name, [self._jobs.drop(pause, partition) for partition in sorted(places)])

    def trigger(
        self,
        name: str,
        by: str,
        *,
        since: JsonValue = None,
        until: JsonValue = None,
        restart: bool = False,
    ) -> JobPayload:
        """Ask for a run besides the schedule, or for a restart; returns the job."""
        asked = f"{'restarted' if restart else 'triggered'} by {by}"
        job = JobPayload(source=name, since=since, until=until, reason=asked, restart=restart)
        self._write(job)
        return job

    def wait(self, name: str, reached: Callable[[Told], bool], seconds: float) -> Told:
        """Look until the source's state is `reached`, or the time is over; returns the last look."""
        deadline = time.monotonic() + seconds
        while True:
            told = self.source(name)
            if reached(told) or time.monotonic() > deadline:
                return told
            time.sleep(_LOOK_SECONDS)

    def _write(self, request: Request) -> None:
        self._check_known(request.source)
        self._confirm(request.source, [self._jobs.keep(request)])

    def _check_known(self, source: str) -> None:
        self._topics.ensure_state(self._names)
        if source not in self._announced():
            self.connectors.get(source)

    def _confirm(self, source: str, deliveries: Sequence[Delivery]) -> None:
        """Wait until all are acknowledged. Raises RequestRefusedError; BrokerAwayError without an answer."""
        self._jobs.flush(_FLUSH_SECONDS)
        refused = next((one.refused for one in deliveries if one.refused is not None), None)
        if refused is not None:
            raise RequestRefusedError(
                f"{source}: the request was not written to {self._names.jobs}: {refused}"
            )
        if not all(one.acknowledged for one in deliveries):
            raise BrokerAwayError(
                f"the broker has not acknowledged the request on {self._names.jobs}: ask again"
            )

    def _announced(self) -> dict[str, Announcement]:
        announced = read_states(self._reader, self._names.states)
        for one in announced.values():
            # Where its producer looks for its jobs, whatever this machine thinks.
            self._jobs.place(one.source, one.partition)
        return announced

    def _requests(self) -> list[Request]:
        return sorted({key_of(one): one for _, one in self._placed_requests()}.values(), key=key_of)

    def _placed_requests(self) -> list[tuple[int, Request]]:
        # By partition: one that was moved is deleted where it was.
        newest: dict[tuple[int, bytes], Request | None] = {}
        try:
            for message in read_to_end(self._reader, self._names.jobs, timeout=_FLUSH_SECONDS):
                place = (message.partition() or 0, message.key() or b"")
                newest[place] = parse_request(message) if message.value() else None
        except (KafkaException, DependencyError) as exc:
            raise BrokerAwayError(f"jobs could not be read from {self._names.jobs}: {exc}") from exc
        return [(partition, one) for (partition, _), one in newest.items() if one]

    def _members(self) -> Members | None:
        try:
            return members_of(self._properties, self._group, self._names.jobs)
        except BrokerAwayError:
            return None

    def _holder(self, name: str, members: Members | None) -> str | None:
        if members is None or not members.count:
            # Without members there may be no topic either.
            return None if members is None else NOBODY
        return members.holders.get(self._jobs.partition(name), CHANGING)


def _told(name: str, announced: Announcement | None, holder: str | None, requests: list[Request]) -> Told:
    own = [request for request in requests if request.source == name]
    return Told(
        source=name,
        told=announced,
        holder=holder,
        pause=_pause_of(name, own),
        jobs=tuple(request for request in own if isinstance(request, JobPayload)),
    )


def _pause_of(name: str, requests: list[Request]) -> Pause | None:
    pauses = (one for one in requests if isinstance(one, Pause) and one.source == name)
    return next(pauses, None)
