"""What stands between a connector and the outside while the producer runs it: a lease and a budget.

They reach the client through a context variable, as the waits of `resilient_request` do, so an author passes
nothing. Without a producer everything is allowed: a connector can be tried alone. Keeping counts and proving
ownership is the producer's.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from connectors.http.quotas import Quota


class Lease(Protocol):
    """Whether this process still owns the source it runs."""

    def check(self) -> None:
        """Return at once if it does; raise LeaseLostError if that cannot be proven any more."""
        ...


@dataclass(frozen=True)
class Refusal:
    """No request now: `quota` has room again in `seconds`, which is at `until` (aware)."""

    quota: str
    until: datetime
    seconds: float


class RequestBudget(Protocol):
    """How many requests an upstream still takes. Safe to use from several threads."""

    def take(self, host: str) -> Refusal | None:
        """None: the request to `host` is counted and may be sent. Otherwise nothing is counted.

        A request that was counted is under way until `settle`, and is told once, whatever became of it.
        """
        ...

    def settle(self, host: str, quotas: Sequence[Quota] = ()) -> None:
        """A counted request to `host` has been answered, with these quotas in its headers, or has failed."""
        ...


class Unowned:
    """A lease that never ends."""

    def check(self) -> None:
        """Allow."""


class Unlimited:
    """A budget without bounds."""

    def take(self, host: str) -> Refusal | None:
        """Allow."""
        return None

    def settle(self, host: str, quotas: Sequence[Quota] = ()) -> None:
        """Forget."""


@dataclass(frozen=True)
class Governance:
    """The lease and the budget of one run."""

    lease: Lease
    budget: RequestBudget


UNGOVERNED = Governance(Unowned(), Unlimited())
_current: ContextVar[Governance | None] = ContextVar("lease and budget of a run", default=None)


@contextlib.contextmanager
def governed_by(*, lease: Lease | None = None, budget: RequestBudget | None = None) -> Iterator[None]:
    """Let the requests of `http_client` in this thread ask `lease` and `budget`; None allows everything.

    A client keeps what it was opened under, also in threads that its connector starts.
    """
    governance = Governance(lease or UNGOVERNED.lease, budget or UNGOVERNED.budget)
    token = _current.set(governance)
    try:
        yield
    finally:
        _current.reset(token)


def current_governance() -> Governance | None:
    """What this thread's requests have to ask; None outside a run."""
    return _current.get()
