"""`connectors try` does not wait minutes for an API that fails."""

import pytest

from cli.errors import CommandError
from cli.trial import Patience


def test_waits_are_made_until_they_are_too_long_together() -> None:
    slept: list[float] = []
    wait = Patience(10, slept.append)
    wait(4)
    wait(6)

    with pytest.raises(CommandError, match="keeps failing"):
        wait(0.1)
    assert slept == [4, 6]
