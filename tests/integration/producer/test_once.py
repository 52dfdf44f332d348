"""One pass in this process: what `ingest run` relies on."""

import itertools
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.base import BaseConnector
from connectors.errors import UnknownSourceError
from connectors.registry import ConnectorRegistry, Plugin
from producer.errors import BrokerAwayError
from producer.once import exit_code, run_once
from runtime.exit_codes import DEAD_LETTERS, INTERRUPTED, OK
from runtime.settings import Settings, load_settings
from tests.integration.producer.support import ids, reading, yielding


def registry(connector: type[BaseConnector]) -> ConnectorRegistry:
    return ConnectorRegistry([Plugin("readings", connector, "test")])


def test_a_pass_reports_what_it_did(settings: Settings) -> None:
    connector = yielding(lambda since: (reading(number) for number in range(100)))
    report = run_once(settings, "readings", connectors=registry(connector))
    assert (report.source, report.extracted, report.published, report.rejected) == ("readings", 100, 100, 0)
    assert report.cursor == "2026-01-01T12:01:39Z"
    assert exit_code(report) == OK
    assert ids(settings) == list(range(100))


def test_since_reaches_the_connector(settings: Settings) -> None:
    seen: list[Any] = []

    def items(since: Any) -> Iterator[Any]:
        seen.append(since)
        yield from ()

    run_once(settings, "readings", "2026-01-31", connectors=registry(yielding(items, cursor="text")))
    assert seen == ["2026-01-31"]


def test_rejected_records_are_visible_in_the_exit_code(settings: Settings) -> None:
    connector = yielding(lambda since: iter([reading(1), {"id": "x"}]))
    report = run_once(settings, "readings", connectors=registry(connector))
    assert (report.published, report.rejected) == (1, 1)
    assert exit_code(report) == DEAD_LETTERS


def test_a_signal_ends_the_pass_with_everything_acknowledged(settings: Settings) -> None:
    def items(since: Any) -> Iterator[Any]:
        for number in itertools.count():
            yield reading(number)
            if number == 5000:
                os.kill(os.getpid(), signal.SIGINT)

    report = run_once(settings, "readings", connectors=registry(yielding(items)))
    assert not report.completed
    assert exit_code(report) == INTERRUPTED
    assert ids(settings) == list(range(report.published))


def test_what_is_absent_is_named(settings: Settings) -> None:
    connector = yielding(lambda since: iter([]))
    with pytest.raises(UnknownSourceError, match="did you mean 'readings'"):
        run_once(settings, "reading", connectors=registry(connector))
    nowhere = load_settings({"kafka": {"bootstrap_servers": "127.0.0.1:1"}}, env={})
    with pytest.raises(BrokerAwayError, match="the broker does not answer"):
        run_once(nowhere, "readings", connectors=registry(connector))
