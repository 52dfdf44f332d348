"""One arena for all threads, where the C library knows arenas."""

import platform

from runtime.heap import share_one_arena


def test_glibc_takes_the_setting_and_others_are_left_alone() -> None:
    assert share_one_arena() is (platform.libc_ver()[0] == "glibc")
