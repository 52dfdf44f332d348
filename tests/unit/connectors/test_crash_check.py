"""What `check_crashes` refuses before anything is killed; the kills are tests/integration/connector_kit's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import AwareDatetime, BaseModel

from connectors import BaseConnector
from connectors.errors import ConnectorSettingsError, DeclarationError
from connectors.registry import ConnectorRegistry
from connectors.testing import ConformanceError, UncheckedError, check_crashes
from connectors.testing.standin import write_standin
from devstack.crashes import __main__ as matrix
from devstack.crashes.matrix import Subject, places
from devstack.crashes.points import POINTS
from devstack.errors import MissingToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Discover = Callable[..., ConnectorRegistry]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
# Addresses that nothing is asked at.
SERVERS = {"INGEST_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "INGEST_REGISTRY__URL": "http://127.0.0.1:1"}


class Some(BaseConnector):
    """As many records as its settings say, and as many that do not fit."""

    name = "some"
    key = "id"
    rate_limit = "1/day"
    upstream = "shared"

    class Record(BaseModel):
        id: int
        at: AwareDatetime

    class Settings(BaseModel):
        total: int

    settings: Settings

    def extract(self, since: Any = None) -> Iterator[Any]:
        for n in range(self.settings.total):
            yield {"id": n, "at": NOON}
            yield {"id": "none"}


def test_too_few_records_for_the_rounds_are_refused() -> None:
    with pytest.raises(ConformanceError, match=r"3 records cannot be interrupted in 3 rounds: .* 4 at least"):
        check_crashes(Some, settings={"total": 3}, rounds=3, servers=SERVERS)
    with pytest.raises(ValueError, match="rounds is 0"):
        check_crashes(Some, settings={"total": 3}, rounds=0, servers=SERVERS)


def test_settings_are_those_of_the_connector() -> None:
    with pytest.raises(ConnectorSettingsError, match="INGEST_SOURCES__SOME__TOTAL"):
        check_crashes(Some, servers=SERVERS)


def test_a_class_that_no_other_process_finds_is_refused() -> None:
    class Local(Some):
        pass

    with pytest.raises(DeclarationError, match="Local is defined within a function"):
        check_crashes(Local, settings={"total": 3}, servers=SERVERS)


def test_an_unknown_point_is_named_with_those_there_are() -> None:
    with pytest.raises(UncheckedError, match=r"no point after comit, only before begin, .* after commit"):
        check_crashes(Some, settings={"total": 3}, points=["after comit"], servers=SERVERS)


def test_servers_without_a_broker_are_refused() -> None:
    with pytest.raises(UncheckedError, match="the given servers lack INGEST_KAFKA__BOOTSTRAP_SERVERS: "):
        check_crashes(Some, settings={"total": 3}, servers={"INGEST_REGISTRY__URL": "http://127.0.0.1:1"})


def test_without_java_it_does_not_pass_but_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("JAVA_HOME", "INGEST_DEV_BROKER"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UncheckedError, match=r"cannot be tried: only Apache Kafka .* Java 17"):
        check_crashes(Some, settings={"total": 3})


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(matrix, "PACKAGES", ("json", "no_such_package"))
    with (
        pytest.raises(MissingToolError, match=r"lacks no_such_package: .*pip install 'ingest\[dev\]'"),
        matrix.servers(None, tmp_path),
    ):
        pytest.fail("it began")


def test_the_stand_in_is_discovered_beside_all_others_and_has_no_limits(tmp_path: Path) -> None:
    write_standin(Some, tmp_path)
    plugin = ConnectorRegistry.discover([tmp_path]).get("checked")
    assert (plugin.cls.rate_limit, plugin.cls.request_limit, plugin.cls.upstream) == ((), (), None)
    records = plugin.cls(Some.Settings(total=1)).extract()
    assert next(records)["id"] == 0


def test_the_stand_in_finds_a_class_of_a_folder_of_sources(discover: Discover, tmp_path: Path) -> None:
    registry = discover(_names="KEY = 'id'", prices="from ._names import KEY\n" + PRICES)
    home = tmp_path / "home"
    home.mkdir()
    write_standin(registry.get("prices").cls, home)
    assert ConnectorRegistry.discover([home]).get("checked").cls.key == "id"


PRICES = """
from pydantic import BaseModel
from connectors import BaseConnector

class Prices(BaseConnector):
    name = "prices"
    key = KEY

    class Record(BaseModel):
        id: int

    def extract(self, since=None):
        yield {"id": 1}
"""


@pytest.mark.parametrize("records", [2, 5, 64, 1000])
@pytest.mark.parametrize("rounds", [1, 2, 5])
@pytest.mark.parametrize("point", POINTS)
def test_kills_leave_something_for_the_end(point: str, rounds: int, records: int) -> None:
    subject = Subject("checked", {}, [str(n) for n in range(records)], rounds, resumes=False)
    nths = places(subject, point)
    each = max(1, POINTS[point].each)
    assert len(nths) == rounds
    if records > rounds:
        assert sum(-(-nth // each) for nth in nths) * subject.slice_records < records
