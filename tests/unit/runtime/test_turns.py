"""Threads take turns sooner only as long as somebody needs it."""

import sys

import pytest

from runtime.turns import QUICK_SECONDS, quick_turns


def test_the_usual_turns_come_back_with_the_last_one_who_leaves() -> None:
    usual = sys.getswitchinterval()
    with quick_turns():
        with quick_turns():
            assert sys.getswitchinterval() == pytest.approx(QUICK_SECONDS)
        assert sys.getswitchinterval() == pytest.approx(QUICK_SECONDS)
    assert sys.getswitchinterval() == usual


def test_they_come_back_after_an_error() -> None:
    usual = sys.getswitchinterval()
    with pytest.raises(KeyError), quick_turns():
        raise KeyError
    assert sys.getswitchinterval() == usual
