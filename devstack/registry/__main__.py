"""`python -m devstack.registry --port P --data DIR`: starts the registry, prints one JSON line when ready."""

import argparse
import sys
import warnings
from pathlib import Path

from devstack.registry.app import build_app
from devstack.registry.errors import StoreError
from devstack.registry.registry import Registry
from devstack.registry.store import Store
from devstack.serving import serve


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes; return the process's exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m devstack.registry",
        description="A Confluent-compatible schema registry in a file. For development and tests only.",
    )
    parser.add_argument("--port", type=int, required=True, help="0 = any free port")
    parser.add_argument("--data", type=Path, required=True, help="folder for the registry's data")
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args(arguments)
    # The avro package warns of logical types it does not know; they are the clients' business.
    warnings.filterwarnings("ignore", module="avro")
    try:
        with Store(options.data.resolve()) as store:
            return serve(build_app(Registry(store)), host=options.host, port=options.port, name="registry")
    except (StoreError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
