"""`resilient_request` and what happens below HTTP: refused, silent and cut connections."""

from __future__ import annotations

import socket

import httpx
import pytest

from connectors import UpstreamError, UpstreamRefusedError, resilient_request


def test_a_refused_connection_is_tried_again(slept: list[float]) -> None:
    fetch = resilient_request(attempts=3)(lambda: httpx.get("http://127.0.0.1:1/page?token=x"))
    with pytest.raises(
        UpstreamError, match=r"http://127\.0\.0\.1:1/page did not answer: ConnectError"
    ) as caught:
        fetch()
    assert len(slept) == 2
    assert caught.value.status is None


def test_a_time_out_is_tried_again(slept: list[float]) -> None:
    with socket.socket() as silent:  # accepts and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(UpstreamError, match="ReadTimeout"):
            resilient_request(attempts=2)(lambda: httpx.get(url, timeout=0.05))()
    assert len(slept) == 1


@pytest.mark.parametrize("error", [ConnectionResetError("cut"), TimeoutError("slow")])
def test_errors_of_plain_sockets_are_tried_again(slept: list[float], error: Exception) -> None:
    outcomes = iter([error, None])

    def fetch() -> str:
        if outcome := next(outcomes):
            raise outcome
        return "page"

    assert resilient_request(fetch)() == "page"


def test_an_address_without_sense_is_a_refusal(slept: list[float]) -> None:
    with pytest.raises(UpstreamRefusedError, match="UnsupportedProtocol"):
        resilient_request(lambda: httpx.get("ftp://upstream.test/"))()
    assert slept == []
