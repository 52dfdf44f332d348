"""Run one measurement in a process of its own, so that memory and caches of one do not colour the next."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 900


def run_child(name: str, *arguments: object) -> dict[str, Any]:
    """Call the measurement `name` of benchmarks.measurements in a fresh interpreter; return what it reports.

    Every report has `peak_mb`, the peak resident memory of that process in megabytes.
    """
    command = [sys.executable, "-m", "benchmarks.child", name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"The measurement {name} failed:\n{done.stderr[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def main() -> None:
    from benchmarks.measurements import MEASUREMENTS

    name, *arguments = sys.argv[1:]
    report = MEASUREMENTS[name](*arguments)
    report["peak_mb"] = _peak_mb()
    print(json.dumps(report), flush=True)


def _peak_mb() -> float:
    # Not getrusage: its figure begins with the memory of the process that started this one.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


if __name__ == "__main__":
    main()
