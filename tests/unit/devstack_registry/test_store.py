"""What was answered is on disk; what could not be saved has not happened."""

from pathlib import Path

import pytest

from devstack.registry.compatibility import Level
from devstack.registry.errors import StoreError
from devstack.registry.registry import Registry
from devstack.registry.schemas import Reference, Schema
from devstack.registry.store import Store
from tests.unit.devstack_registry.conftest import record

STRANGE = 'ü/ %2F:"\\\ud800'


def test_everything_is_there_again(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        registry = Registry(store)
        registry.register(STRANGE, record(a="int"))
        user = Schema("AVRO", '{"type": "array", "items": "Record"}', (Reference("Record", STRANGE, 1),))
        registry.register("b", user)
        registry.register("gone", record(b="int"))
        registry.delete_subject("gone")
        registry.set_level(None, Level.FULL)
        registry.set_level("b", Level.NONE)
        before = store.contents
    with Store(tmp_path) as store:
        assert store.contents == before


def test_a_change_that_cannot_be_saved_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        registry = Registry(store)
        registry.register("s", record(a="int"))

        def fail() -> None:
            raise OSError("no space left")

        with monkeypatch.context() as patched:
            patched.setattr(store, "save", fail)
            with pytest.raises(OSError, match="no space"):
                registry.register("s", record(a="long"))
        assert registry.versions("s") == [1]
        assert registry.register("s", record(a="long")).id == 2


def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    with Store(tmp_path), pytest.raises(StoreError, match="End it, or give another folder"), Store(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"layout": 99}'])
def test_an_unreadable_file_is_told_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "registry.json"
    path.write_text(text)
    with pytest.raises(StoreError, match=r"registry\.json cannot be read"), Store(tmp_path):
        pass
    assert path.read_text() == text
