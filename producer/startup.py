"""Waiting at the start: for the broker, then for the schema registry, saying for which.

Later outages are met where they happen: by the publisher in mid-run, by the scheduler before a run.
"""

from collections.abc import Callable
from contextlib import suppress

from producer.assembly import Parts
from producer.errors import BrokerAwayError, NextStep, next_step
from producer.waiting import Waiting
from runtime.settings import Settings
from runtime.stopping import Stopping
from schemas.errors import RegistryRefusedError, UnknownSchemaError
from schemas.names import Names

_RETRY_SECONDS = 1.0


class Startup:
    """Waits for broker and registry, and says for what."""

    def __init__(self, parts: Parts, names: Names, settings: Settings, stopping: Stopping) -> None:
        self._parts = parts
        self._names = names
        self._stopping = stopping
        self._broker = f"the broker at {settings.kafka.bootstrap_servers}"
        self._registry = f"the schema registry at {settings.registry.url}"
        self._waits_for: str | None = "not started"

    def waits_for(self) -> str | None:
        """None once everything needed has answered, for a readiness check."""
        return self._waits_for

    def wait(self) -> bool:
        """True as soon as broker and registry answer, and the topics of the state are there; False if stopped
        before.
        """
        if not (self._ask(self._broker, self._broker_answers) and self._ask(self._registry, self._answers)):
            return False
        self._waits_for = None
        return True

    def _ask(self, whom: str, question: Callable[[], bool]) -> bool:
        waiting = Waiting(whom, quiet=0)
        self._waits_for = f"waiting for {whom}"
        while not self._stopping.requested:
            try:
                answer = question()
            except Exception as error:
                if next_step(error) is not NextStep.WAIT:
                    raise
                waiting.still(why=str(error))
                self._stopping.wait(_RETRY_SECONDS)
            else:
                waiting.progress()
                return answer
        return False

    def _broker_answers(self) -> bool:
        fault = self._parts.topics.reachable()
        if fault is not None:
            raise BrokerAwayError(fault)
        self._parts.topics.ensure_state(self._names)
        return True

    def _answers(self) -> bool:
        # Any answer will do, also a refusal: what it refuses is said by the source that needs it.
        with suppress(UnknownSchemaError, RegistryRefusedError):
            self._parts.schemas.schema(1)
        return True
