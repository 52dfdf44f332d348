"""What the scheduler asks of the place where jobs outlive the process."""

from typing import Protocol

from schemas.records import JobPayload


class Journal(Protocol):
    """Where jobs are kept that outlive the process. Called under the scheduler's lock: must be quick."""

    def keep(self, job: JobPayload) -> object:
        """The job was put back, as it is now."""
        ...

    def drop(self, job: JobPayload) -> object:
        """The job is over."""
        ...


class NoJournal:
    """Forgets everything."""

    def keep(self, job: JobPayload) -> None:
        """Forget it."""

    def drop(self, job: JobPayload) -> None:
        """There is nothing."""
