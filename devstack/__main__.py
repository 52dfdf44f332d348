"""`python -m devstack --folder DIR`: the stack alone, in the foreground, until Ctrl-C or SIGTERM.

Prints where the parts answer (with --json one JSON line) once all of them do. Exit code 0 after a requested
end, 1 when the stack could not start or a part ended by itself.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from devstack.errors import DevStackError
from devstack.stack import DevStack

WATCH_SECONDS = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stack until a signal ends it; return the exit code."""
    options = _parse(arguments)
    # SIGTERM as Ctrl-C: it must also interrupt a start, which may be fetching the broker.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with DevStack(options.folder, broker=options.broker, upstream=options.upstream) as stack:
            sys.stdout.write(_as_json(stack) if options.json else _as_text(stack))
            sys.stdout.flush()
            while True:
                stack.raise_if_died()
                time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return 0
    except DevStackError as exc:
        sys.stderr.write(f"devstack: {exc}\n")
        return 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m devstack", description="Broker, schema registry and ClickHouse on loopback."
    )
    parser.add_argument("--folder", type=Path, required=True, help="data and logs; kept")
    parser.add_argument("--broker", default="auto", choices=("auto", "kafka", "tansu"))
    parser.add_argument(
        "--no-upstream", dest="upstream", action="store_false", help="no stand-in for Open-Meteo"
    )
    parser.add_argument("--json", action="store_true", help="print the addresses as one JSON line")
    return parser.parse_args(arguments)


def _as_json(stack: DevStack) -> str:
    return json.dumps({**asdict(stack.addresses), "environment": stack.environment()}) + "\n"


def _as_text(stack: DevStack) -> str:
    addresses = stack.addresses
    lines = [
        f"broker      {addresses.bootstrap_servers}  ({addresses.broker})",
        f"registry    {addresses.registry_url}",
        f"clickhouse  {addresses.clickhouse_url}",
        f"upstream    {addresses.upstream_url or '-'}",
        f"folder      {stack.folder}",
        "Not for production. Ctrl-C ends it.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
