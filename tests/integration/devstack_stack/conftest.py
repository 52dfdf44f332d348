"""Brokers of the tests' own, which may be killed, started once per module."""

from collections.abc import Callable, Iterator

import pytest

from devstack.broker import Broker, Place, choose_broker, make_broker
from devstack.ports import PortBook


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Broker]]:
    """Return a function that starts the named broker; all are stopped at the end of the module."""
    started: list[Broker] = []

    def start(name: str) -> Broker:
        folder = tmp_path_factory.mktemp(name)
        place = Place(folder / "broker", folder / "logs", PortBook(folder / "ports.json"))
        started.append(make_broker(choose_broker(name), place, say=print))
        started[-1].start()
        return started[-1]

    yield start
    for broker in started:
        broker.stop()
