"""Keeps the C library from holding on to memory that is free, and Python from looking for garbage too often.

librdkafka and our threads allocate in one thread and free in another. glibc gives each thread an arena
of its own, and what is freed in one is no help to the next: the resident memory grows with the number of
threads and not with what is in use.

Messages are objects that Python's collector follows, and they come and go by the thousand without ever being
part of a cycle. At its usual threshold of 700 it walked each chunk of them several times: a tenth of the
loader's processor time.
"""

import ctypes
import gc
import sys

# mallopt(3): M_ARENA_MAX.
_ARENA_MAX = -8


def share_one_arena() -> bool:
    """Let all threads started from now on allocate from one arena; False where the C library is not glibc."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_ARENA_MAX, 1) == 1


def collect_rarely(young: int) -> None:
    """Let a collection wait until `young` new objects live, and leave alone what is alive now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, *gc.get_threshold()[1:])
