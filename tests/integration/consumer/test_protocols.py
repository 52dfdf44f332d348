"""The loader as a member of either kind of group."""

from collections.abc import Callable

import pytest

from runtime.settings import Settings
from tests.daemon_process import until
from tests.integration.consumer.conftest import LoaderThread, Source, Warehouse

Sources = Callable[..., Source]
Loaders = Callable[..., LoaderThread]


@pytest.mark.requires_kafka
@pytest.mark.timeout(180)
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_members_come_and_go_and_topics_appear(
    source: Sources, loader: Loaders, warehouse: Warehouse, settings: Settings, protocol: str
) -> None:
    kafka = settings.kafka.model_copy(update={"properties": {"group.protocol": protocol}})
    member = settings.model_copy(update={"kafka": kafka})
    weather = source("weather").create(4)
    weather.publish(range(1000))
    first = loader(member)
    until(lambda: warehouse.count("weather") == 1000, "rows by the first member")
    loader(member)
    weather.publish(range(1000, 3000))
    until(lambda: warehouse.count("weather") == 3000, "rows by both")
    flights = source("flights").create(1)
    flights.publish(range(10))
    until(lambda: warehouse.count("flights") == 10, "rows of a topic made meanwhile")
    assert first.stop() == 0
    weather.publish(range(3000, 3500))
    until(lambda: warehouse.count("weather") == 3500, "rows by the one that is left")
    assert warehouse.numbers("weather") == list(range(3500))
