"""Helpers of the authoring room's tests: folders of plugins written on the spot, waits that take no time."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from connectors.registry import ConnectorRegistry
from connectors.resilience import sleeping_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCE = """
from collections.abc import Iterator
from pydantic import BaseModel
from connectors import BaseConnector

class Prices(BaseConnector):
    name = "prices"

    class Record(BaseModel):
        id: int

    def extract(self, since=None) -> Iterator[dict]:
        yield {"id": 1}
"""


@pytest.fixture
def discover(tmp_path: Path) -> Callable[..., ConnectorRegistry]:
    """Write the files (name=text) into one folder and discover it alone."""

    def write_and_discover(**files: str) -> ConnectorRegistry:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text), "utf-8")
        return ConnectorRegistry.discover([tmp_path], entry_points=False, builtin=False)

    return write_and_discover


@pytest.fixture
def source() -> str:
    """A whole connector file; tests replace parts of it."""
    return SOURCE


@pytest.fixture
def slept() -> Iterator[list[float]]:
    """The waits of `resilient_request`, in seconds; none of them happens."""
    waits: list[float] = []
    with sleeping_with(waits.append):
        yield waits
