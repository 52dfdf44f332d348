"""The flights source on small files of its own shape; the real file is read in tests/contract."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from connectors import MissingPackageError
from connectors.sources import flights
from connectors.sources.flights import Flights

if TYPE_CHECKING:
    from pathlib import Path

HEADER = ",".join(Flights.Record.model_fields)
ROWS = [
    "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z",
    "2013,9,30,NA,840,NA,NA,1020,NA,MQ,3531,NA,LGA,RDU,NA,431,8,40,2013-09-30T12:00:00Z",
]


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the real one's layout whose import fails: it must be found without."""
    folder = tmp_path / "fakeflights13"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    with zipfile.ZipFile(folder / "data" / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", "\n".join([HEADER, *ROWS]) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(flights, "PACKAGE", "fakeflights13")


def test_rows_become_typed_records() -> None:
    departed, cancelled = Flights().run()
    assert departed.id == "2013:1:1:UA:1545:EWR"
    assert departed.event_time == datetime(2013, 1, 1, 10, tzinfo=UTC)
    assert isinstance(cancelled.payload, Flights.Record)
    assert cancelled.payload.model_dump(include={"dep_time", "tailnum", "air_time", "dest"}) == {
        "dep_time": None,
        "tailnum": None,
        "air_time": None,
        "dest": "RDU",
    }


def test_since_is_inclusive() -> None:
    at = datetime(2013, 9, 30, 12, tzinfo=UTC)
    assert [record.event_time for record in Flights().run(at)] == [at]
    assert len(list(Flights().run(datetime(2013, 1, 1, 10, tzinfo=UTC)))) == 2


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "PACKAGE", "no_such_package")
    with pytest.raises(MissingPackageError, match=r"pip install 'ingest\[demo\]'"):
        next(Flights().run())


def test_a_package_without_the_file_is_as_good_as_missing(tmp_path: Path) -> None:
    (tmp_path / "fakeflights13" / "data" / "flights.csv.zip").unlink()
    with pytest.raises(MissingPackageError):
        next(Flights().run())
