"""What becomes of a job, as new versions of it. Pure: when, and who is told, is the scheduler's."""

from datetime import datetime

from schemas.records import JobPayload, Waits


def put_back(job: JobPayload, due: datetime, waits: Waits, reason: str) -> JobPayload:
    """To be run at `due`, until when it waits for what `reason` says."""
    return job.model_copy(update={"not_before": due, "reason": reason, "waits": waits})


def rested(job: JobPayload) -> JobPayload:
    """Stopped before its end: what has begun waits for nothing."""
    return job.model_copy(update={"waits": None, "reason": None if job.waits else job.reason})


def failed(job: JobPayload, at: datetime, reason: str) -> JobPayload:
    """Not to be run until somebody asks for it."""
    return job.model_copy(update={"failed": at, "reason": reason, "waits": None})


def revived(job: JobPayload, attempt: int) -> JobPayload:
    """A failed one, to be run at once."""
    return job.model_copy(update={"failed": None, "attempt": attempt, "not_before": None, "waits": None})


def why_it_runs(job: JobPayload) -> str | None:
    """Who asked for it, or what became of its last attempt."""
    return job.reason if job.waits is None or job.reason is None else f"again, after: {job.reason}"
