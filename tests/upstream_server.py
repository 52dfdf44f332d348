"""The dev stack's stand-in for Open-Meteo as a process, on a free port, with its refusals."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stand_in() -> Iterator[str]:
    """Gives its address."""
    command = [sys.executable, "-m", "devstack.upstream", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["address"]
        finally:
            process.terminate()
