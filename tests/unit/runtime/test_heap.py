"""The C library's arenas, where it knows them, and how often Python looks for garbage."""

import gc
import platform
from collections.abc import Iterator

import pytest

from runtime.heap import collect_rarely, share_one_arena


@pytest.fixture
def own_collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_glibc_takes_the_setting_and_others_are_left_alone() -> None:
    assert share_one_arena() is (platform.libc_ver()[0] == "glibc")


@pytest.mark.usefixtures("own_collector")
def test_what_is_alive_is_left_alone_and_young_objects_may_be_many() -> None:
    _, *older = gc.get_threshold()
    collect_rarely(30_000)
    assert gc.get_threshold() == (30_000, *older)
    assert gc.get_freeze_count() > 10_000
