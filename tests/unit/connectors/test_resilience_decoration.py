"""What `resilient_request` may be put on, and what it says to the rest."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from connectors import resilient_request
from connectors.errors import DecorationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


def test_it_works_bare_and_on_methods(slept: list[float]) -> None:
    class Client:
        calls = 0

        @resilient_request
        def fetch(self, page: int, *, size: int = 1) -> tuple[int, int]:
            """Fetch a page."""
            self.calls += 1
            if self.calls == 1:
                raise TimeoutError
            return page, size

    assert Client().fetch(3, size=2) == (3, 2)
    assert Client.fetch.__doc__ == "Fetch a page."
    assert len(slept) == 1


def test_a_wait_that_raises_ends_the_call(slept: list[float]) -> None:
    class Stopping(Exception):
        pass

    def stop(_: float) -> None:
        raise Stopping

    def fetch() -> None:
        raise TimeoutError

    with pytest.raises(Stopping):
        resilient_request(sleep=stop)(fetch)()
    assert slept == []  # an explicit sleep wins over the thread's


def _generator() -> Iterator[int]:
    yield 1


async def _coroutine() -> int:
    return 1


async def _asynchronous_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    "stream",
    [
        _generator,
        _coroutine,
        _asynchronous_generator,
        functools.partial(_generator),
        functools.cache(_generator),
    ],
)
def test_streams_are_refused_with_what_to_decorate_instead(stream: Callable[[], Any]) -> None:
    with pytest.raises(DecorationError, match=r"Decorate the .*function that fetches one page"):
        resilient_request(stream)


def test_a_stream_in_disguise_is_refused_when_called() -> None:
    with pytest.raises(DecorationError, match="returns a generator"):
        resilient_request(lambda: _generator())()


def test_decorating_a_classmethod_object_says_what_to_do() -> None:
    with pytest.raises(DecorationError, match="innermost"):
        resilient_request(classmethod(lambda cls: 1))  # type: ignore[call-overload]


@pytest.mark.parametrize("senseless", [{"attempts": 0}, {"deadline": 0}, {"max_wait": -1}])
def test_a_senseless_policy_fails_when_built(senseless: dict[str, Any]) -> None:
    with pytest.raises(DecorationError, match="above zero"):
        resilient_request(**senseless)
