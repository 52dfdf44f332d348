"""`python -m devstack.clickhouse --port P --data DIR`: starts the front, prints one JSON line when ready."""

import argparse
import os
import sys
from pathlib import Path

from devstack.clickhouse.app import build_app
from devstack.clickhouse.bodies import Folder
from devstack.clickhouse.engine import Engine
from devstack.clickhouse.errors import EngineStartError
from devstack.clickhouse.front import Front
from devstack.clickhouse.requests import Access
from devstack.serving import serve


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes; return the process's exit code."""
    options = _parser().parse_args(arguments)
    data = options.data.resolve()
    folder = Folder(data / "incoming")
    access = Access(options.user, options.password, check=not options.no_auth)
    try:
        (data / "engine").mkdir(parents=True, exist_ok=True)
        with Engine(data / "engine") as engine:
            folder.clear()
            # The engine reads data by file name, and takes a table it does not know for a file's name:
            # the working directory holds nothing but data on its way in.
            os.chdir(folder.path)
            front = Front(engine)
            code = serve(
                build_app(front, folder, access), host=options.host, port=options.port, name="clickhouse"
            )
            if front.busy:
                sys.stderr.write("clickhouse: a statement would not end; leaving it as a crash would\n")
                sys.stderr.flush()
                os._exit(code)
            return code
    except (EngineStartError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devstack.clickhouse",
        description="ClickHouse's HTTP interface in front of chdb. For development and tests only.",
    )
    parser.add_argument("--port", type=int, required=True, help="0 = any free port")
    parser.add_argument("--data", type=Path, required=True, help="folder for the engine's data")
    parser.add_argument("--host", default="127.0.0.1")
    # The variables are those of the official container image.
    parser.add_argument("--user", default=os.environ.get("CLICKHOUSE_USER") or "default")
    parser.add_argument("--password", default=os.environ.get("CLICKHOUSE_PASSWORD", ""))
    parser.add_argument("--no-auth", action="store_true", help="let everybody in, whatever they say")
    return parser


if __name__ == "__main__":
    sys.exit(main())
