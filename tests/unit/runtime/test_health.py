"""Probes and metrics over a real socket."""

import threading
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from runtime.errors import PortTakenError, StartError
from runtime.health import Check, HealthServer
from runtime.settings import HttpSettings

ANY_PORT = HttpSettings(port=0)


def well() -> None:
    return None


def away() -> str:
    return "no broker since 12:00, waiting for it"


def get(server: HealthServer, path: str) -> tuple[int, str]:
    answer = httpx.get(server.address + path, timeout=20)
    return answer.status_code, answer.text


@pytest.fixture
def hanging() -> Iterator[Check]:
    """A check that does not answer before the test is over."""
    over = threading.Event()

    def hang() -> str | None:
        over.wait(60)
        return None

    yield hang
    over.set()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/readyz?verbose", "/metrics"])
def test_head_is_answered_as_get_without_the_body(path: str) -> None:
    with HealthServer(ANY_PORT, {"broker": away}) as server:
        head, whole = httpx.head(server.address + path), httpx.get(server.address + path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_all_is_well() -> None:
    with HealthServer(ANY_PORT, {"broker": well, "clickhouse": well}) as server:
        assert get(server, "/livez") == (200, "ok")
        assert get(server, "/readyz") == (200, "ok")
        assert get(server, "/readyz?verbose") == (
            200,
            "[+]broker ok\n[+]clickhouse ok\nreadyz check passed\n",
        )


def test_a_fault_makes_it_unready_and_is_named_but_it_lives() -> None:
    with HealthServer(ANY_PORT, {"registry": well, "broker": away}, alive={"loop": well}) as server:
        assert get(server, "/readyz") == (
            503,
            "[+]registry ok\n[-]broker failed: no broker since 12:00, waiting for it\nreadyz check failed\n",
        )
        assert get(server, "/livez")[0] == 200


def test_liveness_has_checks_of_its_own() -> None:
    with HealthServer(ANY_PORT, {}, alive={"loop": lambda: "stands still"}) as server:
        assert get(server, "/livez") == (503, "[-]loop failed: stands still\nlivez check failed\n")
        assert get(server, "/readyz")[0] == 200


def test_a_check_that_raises_is_a_fault() -> None:
    def fail() -> str | None:
        raise RuntimeError("boom")

    with HealthServer(ANY_PORT, {"x": fail}) as server:
        status, text = get(server, "/readyz")
    assert status == 503
    assert "[-]x failed: the check itself failed: RuntimeError: boom" in text


def test_a_check_that_hangs_is_a_fault_and_holds_up_nothing(hanging: Check) -> None:
    with HealthServer(ANY_PORT, {"broker": hanging, "disk": well}, check_seconds=0.2) as server:
        for _ in range(3):
            status, text = get(server, "/readyz?verbose")
            assert status == 503
            assert text.startswith("[-]broker failed: no answer within 0.2 s\n[+]disk ok\n")
        asking = [thread for thread in threading.enumerate() if thread.name == "check-broker"]
        assert len(asking) == 1
        assert get(server, "/livez") == (200, "ok")


def test_a_drain_turns_ready_off_and_nothing_else() -> None:
    with HealthServer(ANY_PORT, {"broker": well}) as server:
        server.drain()
        assert get(server, "/readyz")[0] == 503
        assert "[-]shutdown failed: draining" in get(server, "/readyz")[1]
        assert get(server, "/livez")[0] == 200
        assert get(server, "/metrics")[0] == 200


def test_details_are_listed_when_asked_for_and_decide_nothing(hanging: Check) -> None:
    def fail() -> list[str]:
        raise RuntimeError("boom")

    def hang() -> list[str]:
        hanging()
        return []

    details = {"sources": lambda: ["a: RUNNING", "b: two\nlines"], "none here": list, "raises": fail}
    with HealthServer(ANY_PORT, {"broker": well}, alive={"loop": well}, details=details) as server:
        assert get(server, "/readyz") == (200, "ok")
        assert get(server, "/livez?verbose") == (200, "[+]loop ok\nlivez check passed\n")
        assert get(server, "/readyz?verbose") == (
            200,
            "[+]broker ok\nreadyz check passed\n"
            "sources:\n  a: RUNNING\n  b: two\n  lines\nnone here:\n  none\n"
            "raises:\n  the check itself failed: RuntimeError: boom\n",
        )
    late = {"hangs": hang, "sources": lambda: ["a: RUNNING"]}
    with HealthServer(ANY_PORT, {"broker": away}, details=late, check_seconds=0.2) as server:
        status, text = get(server, "/readyz?verbose")
        assert status == 503
        assert text.endswith("hangs:\n  no answer within 0.2 s\nsources:\n  a: RUNNING\n")
        assert "sources" not in get(server, "/readyz")[1]


def test_metrics_come_from_the_registry_that_was_given() -> None:
    registry = CollectorRegistry()
    Counter("ingest_things", "Things", registry=registry).inc(3)
    with HealthServer(ANY_PORT, {}, registry=registry) as server:
        assert "ingest_things_total 3.0" in get(server, "/metrics")[1]
    with HealthServer(ANY_PORT, {}) as server:
        assert 'ingest_build_info{version="' in get(server, "/metrics")[1]


def test_a_taken_port_is_told_with_the_setting_to_change() -> None:
    with HealthServer(ANY_PORT, {}) as server:
        taken = HttpSettings(port=int(server.address.rpartition(":")[2]))
        with (
            pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{taken.port} .*INGEST_HTTP__PORT"),
            HealthServer(taken, {}),
        ):
            pass


@pytest.mark.parametrize("host", ["203.0.113.1", "a..b", "x" * 64])
def test_an_address_of_another_machine_is_told_with_the_setting_to_change(host: str) -> None:
    with (
        pytest.raises(StartError, match="INGEST_HTTP__HOST"),
        HealthServer(HttpSettings(host=host, port=0), {}),
    ):
        pass


def test_there_is_no_address_before_it_is_opened_and_nothing_listens_after() -> None:
    server = HealthServer(ANY_PORT, {})
    with pytest.raises(RuntimeError, match="with statement"):
        _ = server.address
    with server:
        address = server.address
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/livez", timeout=5)
