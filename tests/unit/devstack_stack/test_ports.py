"""Ports stay with their part, are free when chosen, and never come from the range of outgoing connections."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.errors import PortTakenError
from devstack.ports import LOOPBACK, RANGE, PortBook, accepts, await_free, is_free


@pytest.fixture
def taken() -> Iterator[int]:
    """Return a port on which something listens."""
    with socket.socket() as listener:
        for port in RANGE:
            try:
                listener.bind((LOOPBACK, port))
                listener.listen(1)
            except OSError:
                continue
            break
        yield listener.getsockname()[1]


def first_free() -> int:
    return next(port for port in RANGE if is_free(port))


def test_the_range_is_below_that_of_outgoing_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert RANGE.stop <= lowest


def test_a_listening_port_is_not_free_and_accepts(taken: int) -> None:
    assert not is_free(taken)
    assert accepts(taken)


def test_a_free_port_accepts_nothing() -> None:
    assert not accepts(first_free())


def test_ports_are_kept_over_books(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    ports = {name: book.port(name) for name in ("broker", "registry")}
    again = PortBook(tmp_path / "ports.json")
    assert {name: again.port(name) for name in ports} == ports
    assert len(set(ports.values())) == 2


def test_a_remembered_port_that_is_taken_is_replaced(tmp_path: Path, taken: int) -> None:
    (tmp_path / "ports.json").write_text(f'{{"broker": {taken}}}')
    assert PortBook(tmp_path / "ports.json").port("broker") != taken


def test_a_taken_port_is_not_chosen(tmp_path: Path, taken: int) -> None:
    free = first_free()
    choices = iter([taken, taken, free])
    assert PortBook(tmp_path / "ports.json", choose=lambda _: next(choices)).port("broker") == free


def test_two_parts_never_get_one_port(tmp_path: Path) -> None:
    first = first_free()
    second = next(port for port in RANGE if port > first and is_free(port))
    choices = iter([first, first, second])
    book = PortBook(tmp_path / "ports.json", choose=lambda _: next(choices))
    assert [book.port("broker"), book.port("registry")] == [first, second]


def test_no_port_left_is_an_error(tmp_path: Path, taken: int) -> None:
    with pytest.raises(PortTakenError, match="No free port"):
        PortBook(tmp_path / "ports.json", choose=lambda _: taken).port("broker")


def test_a_broken_book_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("[1, 2")
    assert PortBook(tmp_path / "ports.json").port("broker") in RANGE


def test_waiting_for_a_taken_port_names_the_part_and_the_port(taken: int) -> None:
    now = iter([0.0, 1.0, 2.0, 3.0])
    with pytest.raises(PortTakenError, match=rf"registry: port {taken} .* held by another process"):
        await_free("registry", taken, seconds=2, clock=lambda: next(now), sleep=lambda _: None)
