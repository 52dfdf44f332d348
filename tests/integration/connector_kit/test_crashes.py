"""The kit crashes connectors: a good one passes at every point, and each mistake is found and named."""

from pathlib import Path

import pytest

from connectors import BaseConnector
from connectors.testing import ConformanceError, UncheckedError, check_crashes
from devstack.stack import DevStack
from tests.authors_guide import block, run
from tests.integration.connector_kit.sources import (
    Changing,
    Exclusive,
    Hasty,
    NewestFirst,
    Renaming,
    Ticks,
    Whole,
)
from tests.servers import Servers

pytestmark = pytest.mark.requires_kafka


def test_the_guides_test_passes_on_a_stack_of_its_own_with_a_failing_api() -> None:
    """All five points; the news source meets pages, 503 and 429."""
    guide = run(block("python test-crashes"))
    guide["test_news_survives_crashes"]()
    # One run of six pages to know what is expected, and three more at each point.
    assert guide["API"].requests > 6 * 5


@pytest.mark.parametrize(("connector", "rounds"), [(Ticks, 1), (Whole, 2)], ids=["ties", "no cursor"])
def test_good_sources_without_upstream_survive(
    stack: Servers, connector: type[BaseConnector], rounds: int
) -> None:
    settings = {"total": 40}
    check_crashes(
        connector, settings=settings, rounds=rounds, points=["after commit"], servers=stack.environment()
    )


@pytest.mark.parametrize(
    ("connector", "point", "found"),
    [
        (NewestFirst, "after commit", "are missing: 28, 27, .* more\n.* `ordered` must be true"),
        (Exclusive, "EndTxn answer withheld", "are missing: .*\n.* `since` is inclusive"),
        (Hasty, "EndTxn unsent", "are missing: .* more\n.* a Checkpoint stands behind what it covers"),
        (Changing, "after commit", "are there more than once: 0, 1, 2, .* more\n.* payload change"),
        (Renaming, "before begin", "are missing: 0 of(.|\n)*64 .* an uninterrupted run does not have: "),
    ],
)
def test_a_mistake_is_found_and_its_records_named(
    stack: Servers, connector: type[BaseConnector], point: str, found: str
) -> None:
    with pytest.raises(ConformanceError, match=rf"{point}: \d+ records \(of 64\) {found}") as failure:
        check_crashes(connector, points=[point], servers=stack.environment())
    assert str(failure.value).startswith(f"{connector.__name__} does not survive crashes:\n")


def test_a_broker_from_which_nothing_could_be_told_is_refused(tmp_path: Path) -> None:
    with (
        DevStack(tmp_path, broker="tansu", upstream=False) as tansu,
        pytest.raises(UncheckedError, match=r"only Apache Kafka will do, as Tansu shows .* aborted: give it"),
    ):
        check_crashes(Ticks, servers=tansu.environment())
