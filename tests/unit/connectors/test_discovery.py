"""Finding sources in folders: what is loaded, what is left out, what is set aside and why."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from connectors.errors import (
    ConnectorFolderError,
    DeclarationError,
    DuplicateSourceError,
    UnknownSourceError,
)
from connectors.registry import BUILTIN_SOURCES, ConnectorRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    Discover = Callable[..., ConnectorRegistry]


def test_a_dropped_file_is_a_source(discover: Discover, source: str, tmp_path: Path) -> None:
    registry = discover(prices=source)
    plugin = registry.get("prices")
    assert (plugin.name, plugin.origin, plugin.line) == ("prices", str(tmp_path / "prices.py"), 6)
    assert [record.id for record in registry.create("prices", {}).run()] == [
        record.id for record in registry.create("prices", {}).run()
    ]
    assert registry.quarantined == ()


def test_the_built_in_sources_are_found_first_and_whole() -> None:
    registry = ConnectorRegistry.discover(entry_points=False)
    assert list(registry.sources) == ["flights", "news", "weather"]
    assert {Path(plugin.origin).parent for plugin in registry.sources.values()} == {BUILTIN_SOURCES}
    assert registry.quarantined == ()


def test_one_file_may_hold_several_sources_and_names_may_be_properties(
    discover: Discover, source: str
) -> None:
    second = (
        source.replace("class Prices", "class Rates").replace("name =", "_x =").replace("from", "# from")
        + "\n    @property\n    def name(self):\n        return 'rates'\n"
    )
    registry = discover(both=source + second.replace("# from collections", "from collections"))
    assert list(registry.sources) == ["prices", "rates"]


def test_order_does_not_depend_on_the_file_system(discover: Discover, source: str) -> None:
    files = {f"source_{letter}": source.replace('"prices"', f'"{letter}"') for letter in "cab"}
    assert list(discover(**files).sources) == ["a", "b", "c"]


def test_only_files_directly_in_the_folder_without_underscore_are_loaded(
    discover: Discover, source: str, tmp_path: Path
) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "deep.py").write_text("raise RuntimeError('loaded')")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "notes.txt").write_text("raise RuntimeError('loaded')")
    registry = discover(_helper="raise RuntimeError('loaded')", prices=source)
    assert list(registry.sources) == ["prices"]
    assert registry.quarantined == ()


def test_helpers_with_an_underscore_can_be_imported_relatively(discover: Discover, source: str) -> None:
    registry = discover(
        _names="NAME = 'gold'\n",
        prices=source.replace('name = "prices"', "name = NAME").replace(
            "from pydantic", "from ._names import NAME\nfrom pydantic"
        ),
    )
    assert list(registry.sources) == ["gold"]


def test_imported_classes_are_not_registered_twice(discover: Discover, source: str) -> None:
    other = """
        from connectors import BaseConnector
        from .prices import Prices

        Alias = Prices

        class Cheaper(Prices):
            name = "cheaper"

        Same = Cheaper
    """
    registry = discover(a_cheaper=other, prices=source)
    assert list(registry.sources) == ["cheaper", "prices"]
    assert registry.sources["prices"].origin.endswith("prices.py")


def test_bases_are_no_sources(discover: Discover, source: str) -> None:
    bases = source.replace("class Prices(BaseConnector):", "class Api(BaseConnector):").replace(
        '    name = "prices"\n', ""
    )
    own = """
class Gold(Api):
    name = "gold"

class _Shared(Gold):
    name = "shared"
"""
    assert list(discover(prices=bases + own).sources) == ["gold"]


def test_dataclasses_and_forward_references_in_a_plugin_work(discover: Discover, source: str) -> None:
    text = source.replace(
        "class Prices(BaseConnector)",
        "import dataclasses\n\n@dataclasses.dataclass\nclass Row:\n    other: 'Row | None' = None\n\n"
        "class Prices(BaseConnector)",
    )
    registry = discover(prices="from __future__ import annotations\n" + text)
    module = sys.modules[registry.get("prices").cls.__module__]
    assert dataclasses.is_dataclass(module.Row)


def test_two_folders_may_hold_files_of_one_name(source: str, tmp_path: Path) -> None:
    for folder, name in (("one", "prices"), ("two", "rates")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "main.py").write_text(source.replace('"prices"', f'"{name}"'))
    registry = ConnectorRegistry.discover(
        [tmp_path / "one", tmp_path / "two"], entry_points=False, builtin=False
    )
    assert list(registry.sources) == ["prices", "rates"]


def test_a_folder_given_twice_is_read_once(source: str, tmp_path: Path) -> None:
    (tmp_path / "prices.py").write_text(source)
    (tmp_path / "link").symlink_to(tmp_path)
    registry = ConnectorRegistry.discover(
        [tmp_path, tmp_path / "link", tmp_path / "x" / ".."], entry_points=False, builtin=False
    )
    assert list(registry.sources) == ["prices"]


@pytest.fixture
def bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python writes bytecode caches, whatever the environment of the tests says."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


@pytest.mark.usefixtures("bytecode")
def test_changed_files_are_seen_by_the_next_discovery(discover: Discover, source: str) -> None:
    # Of the same length and within the same second: a bytecode cache would miss it.
    assert list(discover(prices=source).sources) == ["prices"]
    assert list(discover(prices=source.replace('"prices"', '"quotes"')).sources) == ["quotes"]


@pytest.mark.usefixtures("bytecode")
def test_changed_helpers_are_seen_by_the_next_discovery(discover: Discover, source: str) -> None:
    text = source.replace('"prices"', "NAME").replace(
        "from pydantic", "from ._names import NAME\nfrom pydantic"
    )
    assert list(discover(_names="NAME = 'aaaa'", prices=text).sources) == ["aaaa"]
    assert list(discover(_names="NAME = 'bbbb'", prices=text).sources) == ["bbbb"]


@pytest.mark.usefixtures("bytecode")
def test_loading_leaves_no_files_behind(discover: Discover, source: str, tmp_path: Path) -> None:
    discover(_names="NAME = 1", prices=f"from ._names import NAME\n{source}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_names.py", "prices.py"]


def test_two_sources_of_one_name_are_refused_naming_both_places(discover: Discover, source: str) -> None:
    with pytest.raises(DuplicateSourceError) as caught:
        discover(first=source, second=source)
    for part in ("'prices'", "first.py:6", "second.py:6"):
        assert part in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConnectorFolderError, match=r"nowhere.*INGEST_CONNECTORS__PATHS"):
        ConnectorRegistry.discover([tmp_path / "nowhere"])
    (tmp_path / "file.py").touch()
    with pytest.raises(ConnectorFolderError, match="Not a directory"):
        ConnectorRegistry.discover([tmp_path / "file.py"])


def test_unknown_names_get_a_suggestion(discover: Discover, source: str) -> None:
    registry = discover(prices=source)
    with pytest.raises(UnknownSourceError, match="did you mean 'prices'") as caught:
        registry.get("price")
    assert str(caught.value).startswith("no source")
    with pytest.raises(UnknownSourceError, match="there are: prices"):
        registry.get("zzz")


def test_a_quarantined_name_gets_its_reason(discover: Discover) -> None:
    with pytest.raises(UnknownSourceError, match=r"prices.py:1: SyntaxError"):
        discover(prices="def").get("prices")


@pytest.mark.parametrize("fault", ["raise KeyError('boom')", "exit(0)"])
def test_a_constructor_that_fails_is_told_with_its_place(
    discover: Discover, source: str, tmp_path: Path, fault: str
) -> None:
    registry = discover(prices=source + f"\n    def __init__(self, settings=None):\n        {fault}\n")
    with pytest.raises(DeclarationError, match=r"prices\.py:6: Prices cannot be built: (Key|Sys)"):
        registry.create("prices", {})
