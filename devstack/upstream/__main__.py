"""`python -m devstack.upstream --port P [--faults on|off] [--seed N]`: the stand-in for Open-Meteo."""

import argparse
import sys
from collections.abc import Sequence

from devstack.ports import LOOPBACK
from devstack.serving import serve
from devstack.upstream.app import create_app
from devstack.upstream.errors import MissingDataError
from devstack.upstream.faults import Faults
from devstack.upstream.weather import data_folder, load_places


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m devstack.upstream", description="Stand-in for Open-Meteo."
    )
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--faults", choices=("on", "off"), default="on", help="429 and 503 now and then")
    parser.add_argument("--seed", type=int, default=0, help="count of requests to begin with")
    options = parser.parse_args(arguments)
    try:
        places = load_places(data_folder())
    except MissingDataError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    faults = Faults(enabled=options.faults == "on", seed=options.seed)
    return serve(create_app(places, faults), host=LOOPBACK, port=options.port, name="upstream")


if __name__ == "__main__":
    sys.exit(main())
