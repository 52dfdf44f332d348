"""`@resilient_request`: one page fetch, tried again while the outside API is unwell.

It belongs on the function that fetches one page and returns it, never on the generator that yields from it:
an error in the middle of a stream cannot be retried. Rate limits of runs and the next run after a failure
are the producer's.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import random as random_module
import time
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception

from connectors.errors import DecorationError
from connectors.failures import describe, given_up, is_transient, place_of, refused, without_query
from connectors.responses import retry_after, status_heals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
T = TypeVar("T")
_log = logging.getLogger(__name__)
_sleep: ContextVar[Callable[[float], None]] = ContextVar("sleep of resilient_request", default=time.sleep)
_FIRST_WAIT = 0.5


@contextlib.contextmanager
def sleeping_with(sleep: Callable[[float], None]) -> Iterator[None]:
    """Use `sleep` (seconds) for the waits of `resilient_request` in this thread.

    The producer passes one that ends when it has to stop, by raising; tests pass one that takes no time. An
    explicit `resilient_request(sleep=…)` wins.
    """
    token = _sleep.set(sleep)
    try:
        yield
    finally:
        _sleep.reset(token)


def current_sleep() -> Callable[[float], None]:
    """How a wait of this thread sleeps (seconds); it may raise, when the run has to end."""
    return _sleep.get()


@dataclass(frozen=True)
class _Policy:
    attempts: int
    deadline: float
    max_wait: float
    sleep: Callable[[float], None] | None
    clock: Callable[[], float]
    now: Callable[[], datetime]
    random: Callable[[], float]

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.deadline <= 0 or self.max_wait <= 0:
            raise DecorationError("resilient_request: attempts, deadline and max_wait must be above zero")

    def wait(self, state: RetryCallState) -> float:
        """Seconds to the next attempt: exponential with jitter, or Retry-After, each up to max_wait."""
        ceiling = min(self.max_wait, _FIRST_WAIT * 2 ** min(state.attempt_number - 1, 32))
        backoff: float = ceiling * (0.5 + 0.5 * self.random())
        response = getattr(_error_of(state), "response", None)
        asked = retry_after(response, self.now()) if isinstance(response, httpx.Response) else None
        return min(self.max_wait, max(backoff, asked or 0.0))

    def pause(self, seconds: float) -> None:
        (self.sleep or _sleep.get())(seconds)


@overload
def resilient_request(function: Callable[P, T], /) -> Callable[P, T]: ...
@overload
def resilient_request(
    *,
    attempts: int = ...,
    deadline: float = ...,
    max_wait: float = ...,
    sleep: Callable[[float], None] | None = ...,
    clock: Callable[[], float] = ...,
    now: Callable[[], datetime] = ...,
    random: Callable[[], float] = ...,
) -> Callable[[Callable[P, T]], Callable[P, T]]: ...
def resilient_request(
    function: Callable[..., Any] | None = None,
    /,
    *,
    attempts: int = 10,
    deadline: float = 300.0,
    max_wait: float = 60.0,
    sleep: Callable[[float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    random: Callable[[], float] = random_module.random,
) -> Any:
    """Try a page fetch again on time-outs, lost connections, 408, 429, 5xx and UpstreamFormatError.

    Works bare or with arguments. Waits double from half a second, with jitter, up to `max_wait` seconds; a
    Retry-After (seconds or date) is honoured up to `max_wait`, and ignored where it is nonsense. At most
    `attempts` attempts, and none begins later than `deadline` seconds after the first. An attempt that
    hangs is the client's to end: httpx has a time-out of 5 s unless told otherwise.

    A returned httpx.Response with one of these statuses counts as failed, raise_for_status or not; any
    other response is returned as it is (a 304 or 404 may be an answer), so that the function decides.

    Raises UpstreamError once it gives up (UpstreamFormatError if the last failure was one),
    UpstreamRefusedError for an HTTPStatusError that waiting does not heal; other exceptions pass through.
    DecorationError at once for a generator, asynchronous generator or coroutine function. `clock` is in
    seconds, `random` in [0, 1).
    """
    policy = _Policy(attempts, deadline, max_wait, sleep, clock, now, random)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        _refuse_streams(function)

        @functools.wraps(function)
        def resilient(*args: Any, **kwargs: Any) -> Any:
            return _call(policy, function, functools.partial(function, *args, **kwargs))

        return resilient

    return decorate if function is None else decorate(function)


def _call(policy: _Policy, function: Callable[..., Any], attempt: Callable[[], Any]) -> Any:
    started = policy.clock()

    def stop(state: RetryCallState) -> bool:
        late = policy.clock() - started + state.upcoming_sleep > policy.deadline
        return late or state.attempt_number >= policy.attempts

    def give_up(state: RetryCallState) -> Any:
        error = _error_of(state)
        seconds = policy.clock() - started
        raise given_up(
            error, attempts=state.attempt_number, seconds=seconds, now=policy.now()
        ) from without_query(error)

    retrying = Retrying(
        sleep=policy.pause,
        stop=stop,
        wait=policy.wait,
        retry=retry_if_exception(is_transient),
        before_sleep=lambda state: _log_retry(function, state),
        retry_error_callback=give_up,
    )
    try:
        return retrying(_checked, function, attempt)
    except (httpx.HTTPStatusError, httpx.RequestError, httpx.InvalidURL) as exc:
        raise refused(exc) from without_query(exc)


def _checked(function: Callable[..., Any], attempt: Callable[[], Any]) -> Any:
    """One attempt; a response that waiting may heal is an error, whoever made it."""
    result = attempt()
    if isinstance(result, httpx.Response) and status_heals(result.status_code):
        raise httpx.HTTPStatusError(f"status {result.status_code}", request=result.request, response=result)
    if inspect.isgenerator(result) or inspect.iscoroutine(result):
        result.close()
        raise DecorationError(_not_this(function, "returns a generator or coroutine"))
    return result


def _error_of(state: RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome is not None else None
    assert error is not None, "tenacity asks for waits and reports after failures only"
    return error


def _log_retry(function: Callable[..., Any], state: RetryCallState) -> None:
    error = _error_of(state)
    url, status = place_of(error)
    _log.warning(
        "%s failed at attempt %d: %s; next in %.1f s",
        getattr(function, "__qualname__", repr(function)),
        state.attempt_number,
        describe(error),
        state.upcoming_sleep,
        extra={
            "action": "request_retry",
            "url": url,
            "status": status,
            "attempt": state.attempt_number,
            "wait_seconds": round(state.upcoming_sleep, 3),
        },
    )


def _refuse_streams(function: Callable[..., Any]) -> None:
    if not callable(function):
        raise DecorationError(
            f"resilient_request decorates functions, not {type(function).__name__}: put it innermost"
        )
    inner = inspect.unwrap(function)
    for what, kind in (
        (inspect.isgeneratorfunction, "is a generator function"),
        (inspect.isasyncgenfunction, "is an asynchronous generator function"),
        (inspect.iscoroutinefunction, "is a coroutine function"),
    ):
        if what(inner):
            raise DecorationError(_not_this(function, kind))


def _not_this(function: Callable[..., Any], why: str) -> str:
    name = getattr(function, "__qualname__", repr(function))
    return (
        f"resilient_request cannot retry {name}, which {why}: its call only creates the stream, an error in "
        f"the middle is never seen here. Decorate the (plain) function that fetches one page and returns it, "
        f"and let the generator yield from what it returns"
    )
