"""`http_client`: httpx.Client, with a question asked before each request and the answer's headers heeded.

Everything about HTTP itself is httpx's. Retrying is `connectors.resilience`'s, counting the producer's.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

from connectors.errors import QuotaExhaustedError
from connectors.http.governing import UNGOVERNED, Governance, Refusal, current_governance
from connectors.http.quotas import quotas_of
from connectors.resilience import current_sleep
from connectors.responses import location

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Waits up to this are made in place: every window of seconds or a minute, no window of hours.
PATIENCE = 60.0
# With such a status an exhausted quota is the reason; a 404 is an answer, whatever is left.
_SAYS_NO = frozenset({403, 429, 503})
_SENDING = "send_request_headers.started"
_log = logging.getLogger(__name__)


def http_client(*, patience: float = PATIENCE, **options: Any) -> httpx.Client:
    """An `httpx.Client(**options)` that stays within the limits of its source. Use it `with`.

    Before each request, redirects included: LeaseLostError if this process may no longer own the source; then
    the request is counted. If a limit or a quota that the API told of is used up, waits up to `patience`
    seconds are made in place (and end when the run has to), and longer ones raise QuotaExhaustedError. That
    is to be let through: it ends the run where it is, and the source runs again when the quota has room.

    Raise `patience` where the run could not go on from where it ended.
    """
    return _GovernedClient(patience=patience, **options)


class _GovernedClient(httpx.Client):
    def __init__(
        self,
        *,
        patience: float,
        event_hooks: Mapping[str, list[Callable[..., Any]]] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        **options: Any,
    ) -> None:
        super().__init__(event_hooks=self._with_ours(event_hooks or {}), **options)
        self._patience = patience
        self._now = now
        self._opened_under = current_governance()
        self._sleep = current_sleep()
        self._counted = threading.local()

    @property
    def event_hooks(self) -> dict[str, list[Callable[..., Any]]]:
        """As httpx, with ours among them; whoever replaces them does not lose those."""
        return super().event_hooks

    @event_hooks.setter
    def event_hooks(self, hooks: dict[str, list[Callable[..., Any]]]) -> None:
        httpx.Client.event_hooks.fset(self, self._with_ours(hooks))  # type: ignore[attr-defined]

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """As httpx. A request that got no answer is settled here: hooks are told of answers only."""
        try:
            return super().send(request, **options)
        finally:
            if getattr(self._counted, "host", None) is not None:
                self._settle()

    def _with_ours(
        self, hooks: Mapping[str, list[Callable[..., Any]]]
    ) -> dict[str, list[Callable[..., Any]]]:
        """Ours is the last before sending and the first after. Hooks see redirects, `send` does not."""
        before = [hook for hook in hooks.get("request", ()) if hook != self._before]
        after = [hook for hook in hooks.get("response", ()) if hook != self._after]
        return {"request": [*before, self._before], "response": [self._after, *after]}

    @property
    def _governance(self) -> Governance:
        return current_governance() or self._opened_under or UNGOVERNED

    def _before(self, request: httpx.Request) -> None:
        governance = self._governance
        governance.lease.check()
        while (refusal := governance.budget.take(request.url.host)) is not None:
            self._wait(refusal, request)
            governance.lease.check()
        self._counted.host = request.url.host
        # Connecting takes time, and a process may be suspended in it: asked again once that is done.
        request.extensions["trace"] = _CheckAtSending(governance, request.extensions.get("trace"))

    def _wait(self, refusal: Refusal, request: httpx.Request) -> None:
        if refusal.seconds > self._patience:
            url = location(request.url)
            raise QuotaExhaustedError(refusal.quota, refusal.until, retry_after=refusal.seconds, url=url)
        _log.info(
            "waiting %.1f s because of %s",
            refusal.seconds,
            refusal.quota,
            extra={
                "action": "request_wait",
                "quota": refusal.quota,
                "wait_seconds": round(refusal.seconds, 3),
                "until": refusal.until.isoformat(),
            },
        )
        self._sleep(refusal.seconds)

    def _after(self, response: httpx.Response) -> None:
        quotas = quotas_of(response.headers, response.status_code, self._now())
        host = self._counted.host
        self._settle(quotas)
        if response.status_code not in _SAYS_NO:
            return
        for quota in sorted(quotas, key=lambda one: one.reset or 0.0, reverse=True):
            if quota.exhausted and quota.reset is not None and quota.reset > self._patience:
                raise QuotaExhaustedError(
                    f"{quota.name} of {host}",
                    datetime.fromtimestamp(self._now().timestamp() + quota.reset, UTC),
                    retry_after=quota.reset,
                    url=location(response.request.url),
                    status=response.status_code,
                )

    def _settle(self, quotas: Any = ()) -> None:
        host, self._counted.host = self._counted.host, None
        self._governance.budget.settle(host, quotas)


class _CheckAtSending:
    """httpcore's trace callback: asks the lease when the first byte is about to be sent."""

    def __init__(self, governance: Governance, other: Any) -> None:
        self._lease = governance.lease
        # A redirect takes over the extensions of the request before it.
        self.other: Any = other.other if isinstance(other, _CheckAtSending) else other

    def __call__(self, event: str, info: Any) -> None:
        if event.endswith(_SENDING):
            self._lease.check()
        if self.other is not None:
            self.other(event, info)
