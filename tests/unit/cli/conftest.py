"""Runs the command line in this process, with an environment of its own."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.main import main
from tests.unit.log_state import log_as_before


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Ingest = Callable[..., Result]


@pytest.fixture
def ingest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Ingest]:
    """`ingest(*arguments, NAME=value)`: exit code, stdout and stderr of one call."""
    for name in [name for name in os.environ if name.startswith("INGEST_")]:
        monkeypatch.delenv(name)
    empty = tmp_path / "no-secrets"
    empty.mkdir()
    monkeypatch.setenv("INGEST_SECRETS_DIR", str(empty))

    def run(*arguments: str, **environment: str) -> Result:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        return Result(int(ended.value.code or 0), out, err)

    with log_as_before():
        yield run


GOOD = """
from pydantic import BaseModel
from connectors import BaseConnector

class Prices(BaseConnector):
    \"\"\"Prices of things.\"\"\"
    name = "prices"
    key = "id"
    cursor = "id"

    class Record(BaseModel):
        id: int
        price: float | None = None

    class Settings(BaseModel):
        rows: int = 1000
        api_key: str = ""

    def extract(self, since=None):
        for number in range(since or 0, self.settings.rows):
            yield {"id": number, "price": 0.5 if number != 3 else "much"}
"""


@pytest.fixture
def folder(tmp_path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one good connector, `prices`, whose record 3 is bad; the commands look into it."""
    path = tmp_path / "sources"
    path.mkdir()
    (path / "prices.py").write_text(GOOD)
    monkeypatch.setenv("INGEST_CONNECTORS__PATHS", str(path))
    return path
