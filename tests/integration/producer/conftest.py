"""Fixtures of the producer's integration tests."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runtime.settings import Settings
from tests.integration.producer.support import ProducerProcess, rest_builtin_sources
from tests.servers import Servers

StartProducer = Callable[[Path], ProducerProcess]


@pytest.fixture
def start_producer(stack: Servers, settings: Settings) -> Iterator[StartProducer]:
    """Starts producer daemons that end with the test."""
    rest_builtin_sources(settings)
    with ExitStack() as running:

        def start(folder: Path) -> ProducerProcess:
            producer = ProducerProcess(settings, folder, free_port(), stack.environment())
            running.callback(producer.process.kill)
            producer.start()
            return producer

        yield start


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
