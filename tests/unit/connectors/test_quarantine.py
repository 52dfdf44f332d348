"""Broken plugins: each is set aside with path, line and cause, and the whole one beside it runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from connectors.errors import QuarantinedSourceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from connectors.registry import ConnectorRegistry, Quarantined

    Discover = Callable[..., ConnectorRegistry]


@pytest.fixture
def quarantined(discover: Discover, source: str, tmp_path: Path) -> Callable[[str], Quarantined]:
    """Discover a broken file beside a whole one; return how the broken one was set aside."""

    def set_aside(text: str) -> Quarantined:
        registry = discover(broken=text, whole=source.replace('"prices"', '"whole"'))
        assert list(registry.sources) == ["whole"]
        (broken,) = registry.quarantined
        assert broken.origin == str(tmp_path / "broken.py")
        return broken

    return set_aside


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("x = 1\n\ndef broken(:\n", 3, "SyntaxError: invalid syntax"),
        ("if True:\nx = 1\n", 2, "IndentationError: expected an indented block"),
        (
            "import json\nimport no_such_package\n",
            2,
            "ModuleNotFoundError: No module named 'no_such_package'",
        ),
        ("import json\n\n\njson.loads('{')\n", 4, "JSONDecodeError: Expecting property name"),
        ("def f():\n    return 1 / 0\n\nf()\n", 2, "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", 2, r"SystemExit\(3\): importing the file ends the program"),
        ("class Odd(BaseException): pass\nraise Odd('odd')\n", 2, "Odd: odd"),
        ("raise GeneratorExit\n", 1, "GeneratorExit"),
        ("from ._nothing import x\n", 1, "ModuleNotFoundError"),
        ("x = 'caf\\xe9'\0\n", None, "null bytes"),
        ("", None, "defines no connector"),
        ("from connectors import BaseConnector\n", None, "defines no connector"),
    ],
)
def test_files_that_fail_to_load(
    quarantined: Callable[[str], Quarantined], text: str, line: int | None, cause: str
) -> None:
    broken = quarantined(text)
    assert broken.line == line
    assert re.match(cause, broken.cause) or re.search(cause, broken.cause)
    place = "broken.py: " if line is None else f"broken.py:{line}: "
    assert place in str(broken)


def test_bytes_that_are_no_text(discover: Discover, source: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_bytes(b"x = '\xff'\n")
    registry = discover(whole=source)
    assert list(registry.sources) == ["prices"]
    assert "codec" in registry.quarantined[0].cause


def test_a_link_to_nowhere(discover: Discover, source: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").symlink_to(tmp_path / "nowhere.py")
    registry = discover(whole=source)
    assert list(registry.sources) == ["prices"]
    assert "FileNotFoundError" in registry.quarantined[0].cause


RECORD = "    class Record(BaseModel):\n        id: int\n"
EXTRACT = '    def extract(self, since=None) -> Iterator[dict]:\n        yield {"id": 1}\n'


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        (RECORD, "", r"Prices declares no `Record`.*\n    class Record\(BaseModel\):.*\n        id: str"),
        (RECORD, "    Record = dict\n", "declares no `Record` that is a pydantic model"),
        (
            EXTRACT,
            "",
            r"Prices declares no `extract`. Add to the class:\n    def extract\(self, since=None\):",
        ),
        ('    name = "prices"\n', "", r"Prices declares no `name`. Add to the class:\n    name = 'prices'"),
        ('"prices"', '"Prices; DROP"', "lower-case letters"),
        ('"prices"', '"ledger"', "taken by the platform"),
        ('"prices"', '"a__b"', "must not contain '__'"),
        ('name = "prices"', "name = 5", "declares no `name`|not text"),
        ("since=None", "", "must take `since`"),
        ("def extract", "async def extract", "is asynchronous"),
        (RECORD, RECORD + "    Settings = 5\n", "Settings must be a pydantic model"),
        (RECORD, RECORD + '    schedule = "hourly"\n', "^Prices: schedule 'hourly' cannot be read"),
        (
            RECORD,
            RECORD + '    rate_limit = "lots"\n',
            "^Prices.rate_limit: rate limit 'lots' cannot be read",
        ),
        (
            RECORD,
            RECORD + '    request_limit = "60/min"\n',
            "^Prices.request_limit: rate limit '60/min' cannot be read",
        ),
        (RECORD, RECORD + '    upstream = "api.example.com"\n', "upstream is named like a source"),
        (RECORD, RECORD + "    upstream = 5\n", "upstream = 5 is not text"),
        (RECORD, RECORD + '    cursor = "idd"\n', "cursor = 'idd' is no field of Record: did you mean 'id'"),
        (RECORD, RECORD + '    cursor = "when"\n', "is no field of Record; it has id"),
        ("id: int", "id: int | None\n    cursor = 'id'", "may be None"),
        (RECORD, RECORD + "    ordered = True\n", "is `ordered` by no cursor"),
        (RECORD, RECORD + '    key = "nothing"\n', "^Prices: the key names 'nothing'"),
        (RECORD, RECORD + "    key = 5\n", "key = 5 does not name a field"),
        (RECORD, RECORD + "    sort = ('id', 5)\n", "sort = .* does not name a field"),
        (RECORD, RECORD + "    event_time = 7\n", "event_time = 7 does not name a field"),
        (RECORD, RECORD + "    cursor = ('id',)\n", "cursor = .* does not name a field"),
        (RECORD, RECORD + '    mode = "replace"\n', 'neither "append"'),
        (RECORD, RECORD + '    mode = "upsert"\n', "key"),
        (RECORD, RECORD + '    mode = "upsert"\n    key = "id"\n', 'mode = "upsert" has no table yet'),
    ],
)
def test_classes_that_break_the_contract(
    quarantined: Callable[[str], Quarantined], source: str, old: str, new: str, cause: str
) -> None:
    assert old in source
    broken = quarantined(source.replace(old, new))
    assert broken.line == 6
    assert re.search(cause, broken.cause), broken.cause


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('kye = "id"', "Prices.kye is read by nothing: did you mean `key`?"),
        ('shedule = "every 1m"', "did you mean `schedule`?"),
        ('rate_limits = "1/hour"', "did you mean `rate_limit`?"),
        ("class Setings(BaseModel):\n        url: str", "did you mean `Settings`?"),
        ("def tranform(self, item):\n        return item", "did you mean `transform`?"),
        ("def extrat(self, since=None):\n        yield 1", None),
    ],
)
def test_a_misspelt_member_is_set_aside(
    quarantined: Callable[[str], Quarantined], source: str, line: str, said: str | None
) -> None:
    text = source.replace(RECORD, f"    {line}\n\n{RECORD}")
    if said is None:  # the class has an `extract` besides: what is left out was not misspelt
        text, said = text.replace(EXTRACT, ""), "did you mean `extract`?"
    broken = quarantined(text)
    assert broken.line == 6
    assert said in broken.cause


@pytest.mark.parametrize(
    "lines",
    [
        "    keys = ('id',)\n    def ids(self):\n        return self.keys\n",
        "    keys = ('id',)\n    def ids(self):\n        return getattr(self, 'keys')\n",
        "    key = 'id'\n    keys = ('id',)\n",
        "    port = 5\n    nodes = ()\n    page_size = 5\n    _kye = 5\n",
        "    def modes(self):\n        return []\nprint(Prices().modes())\n",
    ],
)
def test_helpers_of_ones_own_are_nobody_elses_business(discover: Discover, source: str, lines: str) -> None:
    assert list(discover(prices=source + lines).sources) == ["prices"]


def test_what_a_base_in_another_file_reads_is_no_misspelling(discover: Discover, source: str) -> None:
    base = (
        "from connectors import BaseConnector\n"
        "class Base(BaseConnector):\n"
        "    def transform(self, item):\n        return self.Record(**{self.keys: item})\n"
    )
    own = source.replace("(BaseConnector)", "(Base)").replace(RECORD, RECORD + "    keys = 'id'\n")
    registry = discover(
        _shared=base, prices=own.replace("import BaseConnector", "import *\nfrom ._shared import Base")
    )
    assert list(registry.sources) == ["prices"], registry.quarantined


@pytest.mark.parametrize("name", ["norec", "Norec", "broken"])
def test_what_is_set_aside_is_told_by_the_names_that_people_know(
    discover: Discover, source: str, name: str
) -> None:
    registry = discover(
        broken=source.replace(RECORD, "").replace("Prices", "Norec").replace('"prices"', '"norec"'),
        fine=source.replace('"prices"', '"noneret"'),
    )
    with pytest.raises(QuarantinedSourceError, match=r"broken.py:6: Norec declares no `Record`"):
        registry.get(name)


def test_of_several_in_a_file_the_one_that_was_asked_for_is_told(discover: Discover, source: str) -> None:
    one = source.replace(RECORD, "").replace("Prices", "One").replace('"prices"', '"one"')
    registry = discover(both=one + one.replace("One", "Two").replace('"one"', '"two"'))
    with pytest.raises(QuarantinedSourceError) as caught:
        registry.get("two")
    assert "Two declares" in str(caught.value)
    assert "One declares" not in str(caught.value)


def test_a_field_that_avro_cannot_carry_is_named_with_its_path(
    quarantined: Callable[[str], Quarantined], source: str
) -> None:
    broken = quarantined(source.replace("id: int", "id: int\n        items: list[object] = []"))
    assert broken.line == 6
    assert "Record.items[]" in broken.cause


@pytest.mark.parametrize(
    ("due", "words", "cause"),
    [
        ("datetime(2030, 1, 1)", "''", "not a later, aware datetime"),
        ("t", "''", "not a later, aware datetime"),
        ("t + timedelta(1)", "None", "describe() gives None"),
        ("1 / 0", "''", "ZeroDivisionError"),
    ],
)
def test_a_schedule_of_ones_own_that_fails_is_set_aside_before_it_stops_the_clock(
    quarantined: Callable[[str], Quarantined], source: str, due: str, words: str, cause: str
) -> None:
    own = (
        "from datetime import datetime, timedelta\n"
        "class Own:\n"
        f"    def next_after(self, t):\n        return {due}\n"
        f"    def describe(self):\n        return {words}\n"
    )
    broken = quarantined(own + source.replace(RECORD, "    schedule = Own()\n\n" + RECORD))
    assert cause in broken.cause


def test_a_name_that_asks_for_settings_is_told_so(
    quarantined: Callable[[str], Quarantined], source: str
) -> None:
    broken = quarantined(
        source.replace('name = "prices"', "@property\n    def name(self):\n        return self.settings.name")
    )
    assert "asked for before there are settings" in broken.cause


def test_a_name_that_raises_is_set_aside_with_its_line(
    quarantined: Callable[[str], Quarantined], source: str
) -> None:
    broken = quarantined(source.replace('name = "prices"', "@property\n    def name(self):\n        exit()"))
    assert broken.line == 9
    assert "SystemExit" in broken.cause


def test_a_retry_on_the_generator_is_told_what_to_decorate(
    quarantined: Callable[[str], Quarantined], source: str
) -> None:
    broken = quarantined(
        source.replace("import BaseConnector", "import BaseConnector, resilient_request").replace(
            "    def extract", "    @resilient_request\n    def extract"
        )
    )
    assert broken.line == 12
    assert "Decorate the (plain) function that fetches one page" in broken.cause


def test_an_error_that_cannot_even_be_told_is_told(quarantined: Callable[[str], Quarantined]) -> None:
    broken = quarantined(
        "class Odd(Exception):\n    def __str__(self):\n        raise KeyError('text')\nraise Odd\n"
    )
    assert broken.line == 4
    assert broken.cause == "Odd: (its text cannot be had: KeyError)"


def test_one_broken_class_leaves_the_others_of_its_file(discover: Discover, source: str) -> None:
    registry = discover(prices=source + "\nclass Gold(Prices):\n    name = 'GOLD'\n")
    assert list(registry.sources) == ["prices"]
    assert registry.quarantined[0].line == 15


def test_control_c_while_loading_ends_the_program(discover: Discover) -> None:
    with pytest.raises(KeyboardInterrupt):
        discover(prices="raise KeyboardInterrupt")
