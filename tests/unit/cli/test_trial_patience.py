"""`connectors try` does not wait minutes for an API that fails."""

from pathlib import Path

import pytest

from cli.errors import CommandError
from cli.trial import Patience
from tests.unit.cli.conftest import Ingest


def test_an_api_that_fails_is_told_without_a_place_in_the_authors_file(ingest: Ingest, folder: Path) -> None:
    (folder / "odd.py").write_text(
        "from pydantic import BaseModel\n"
        "from connectors import BaseConnector, resilient_request\n"
        "class Odd(BaseConnector):\n"
        "    name = 'odd'\n"
        "    class Record(BaseModel):\n        id: int\n"
        "    def extract(self, since=None):\n        yield self.page()\n"
        "    @resilient_request(attempts=9, max_wait=60, random=lambda: 1.0)\n"
        "    def page(self):\n        raise TimeoutError('too slow')\n"
    )
    result = ingest("connectors", "try", "odd", INGEST_LOG__LEVEL="error")
    assert "  the outside API keeps failing" in result.err
    assert "CommandError" not in result.err


def test_waits_are_made_until_they_are_too_long_together() -> None:
    slept: list[float] = []
    wait = Patience(10, slept.append)
    wait(4)
    wait(6)

    with pytest.raises(CommandError, match="keeps failing"):
        wait(0.1)
    assert slept == [4, 6]
