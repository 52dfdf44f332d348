"""What a test of the chaos suites found, one JSON line each, and `make chaos`'s table of them."""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

REPORT = "INGEST_TEST_CHAOS_REPORT"
# Twenty in `make chaos`.
ROUNDS = int(os.environ.get("INGEST_TEST_CHAOS_ROUNDS", "5"))


@dataclass(frozen=True)
class Finding:
    """Rounds of one kind: records that should be there once, how many were missing, double or wrong.

    `note` tells what else was measured, in words.
    """

    name: str
    rounds: int
    records: int
    missing: int
    duplicates: int
    wrong: int
    seconds: float
    note: str = ""

    def write(self) -> None:
        """Add it to the report that the environment names, if it names one."""
        if path := os.environ.get(REPORT):
            with Path(path).open("a", encoding="utf-8") as report:
                report.write(json.dumps(asdict(self)) + "\n")


def main(path: str, *options: str) -> None:
    """Print the findings in a file as a table, or with `--json` as one list."""
    found = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    if "--json" in options:
        print(json.dumps(found))
        return
    columns = list(Finding.__dataclass_fields__)
    rows = [columns, *([str(finding[column]) for column in columns] for finding in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main(*sys.argv[1:])
