from collections.abc import Callable

from tests.integration.consumer.conftest import LoaderThread, Source, Warehouse, until


def test_every_record_is_visible_once(
    source: Callable[..., Source], loader: Callable[..., LoaderThread], warehouse: Warehouse
) -> None:
    weather = source("weather").create()
    weather.publish(range(5000))
    running = loader()
    until(lambda: warehouse.count("weather") == 5000, "5000 rows")
    assert warehouse.numbers("weather") == list(range(5000))
    assert running.stop() == 0
