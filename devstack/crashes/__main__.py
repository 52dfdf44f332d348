"""`python -m devstack.crashes`: reads a plan from stdin, prints the verdicts; both are one JSON object.

    {"source", "environment", "expected", "rounds", "resumes", "points", "servers", "folder"}
    {"verdicts": [{"point", "killed", "missing", "doubled", "unexpected", "again", "failure"}, …]}
    {"unavailable": why it could not be tried}

`servers` are the INGEST_* variables of a running dev stack; None starts one. `points` None are all of them.
The exit code is 0 for both answers.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from devstack.crashes.matrix import Subject, Verdict, verdict
from devstack.crashes.points import POINTS
from devstack.crashes.transactions import hides_aborted
from devstack.errors import DevStackError, MissingToolError, SetupError
from runtime.errors import DependencyError
from runtime.kafka import client_properties
from runtime.keys import CONTROL, PREFIX
from runtime.settings import load_settings

# Of the extra `dev`: what the parts of the stack cannot start without.
PACKAGES = ("avro", "chdb", "platformdirs", "starlette")

ADDRESSES = ("INGEST_KAFKA__BOOTSTRAP_SERVERS", "INGEST_REGISTRY__URL")
ONLY_KAFKA = "only Apache Kafka will do, as Tansu shows readers what was aborted"
PARTS = ("INGEST_KAFKA__", "INGEST_REGISTRY__")


def main() -> None:
    """Answer one plan."""
    plan = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"verdicts": [asdict(each) for each in verdicts(plan)]}
    except (DevStackError, DependencyError, KafkaException, ValueError) as exc:
        answer = {"unavailable": str(exc)}
    sys.stdout.write(json.dumps(answer))


def verdicts(plan: Mapping[str, Any]) -> list[Verdict]:
    """Run the matrix, as many points at once as there are processors."""
    folder, points = Path(plan["folder"]), chosen(plan["points"])
    with servers(plan["servers"], folder) as variables, ThreadPoolExecutor(os.cpu_count()) as pool:
        subject = Subject(
            source=plan["source"],
            environment={**_inherited(), **variables, **plan["environment"]},
            expected=plan["expected"],
            rounds=plan["rounds"],
            resumes=plan["resumes"],
        )
        return list(pool.map(partial(verdict, subject, folder=folder), points))


def chosen(points: Sequence[str] | None) -> Sequence[str]:
    """The points of the plan, all of them for None; ValueError for one that there is not."""
    if unknown := set(points or ()) - POINTS.keys():
        raise ValueError(f"there is no point {', '.join(sorted(unknown))}, only {', '.join(POINTS)}")
    return points or list(POINTS)


@contextmanager
def servers(given: Mapping[str, str] | None, folder: Path) -> Iterator[Mapping[str, str]]:
    """The variables of the given servers, or of a stack with Apache Kafka that is there until the end."""
    if given is not None:
        yield _given(given)
        return
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise MissingToolError(
            f"the dev stack lacks {', '.join(missing)}: install the extra `dev` (pip install 'ingest[dev]')"
        )
    from devstack.stack import DevStack

    try:
        stack = DevStack(folder / "stack", broker="kafka", upstream=False)
    except MissingToolError as exc:
        raise MissingToolError(f"{ONLY_KAFKA}. {exc}") from exc
    with stack:
        yield stack.environment()


def _given(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Those of broker and registry; SetupError where one is not named, for a default may be anybody's, or
    where nothing could be told from the broker.
    """
    if missing := [name for name in ADDRESSES if name not in variables]:
        raise SetupError(f"the given servers lack {' and '.join(missing)}: take the variables of a dev stack")
    found = {name: value for name, value in variables.items() if name.startswith(PARTS)}
    if not hides_aborted(client_properties(load_settings(env=found).kafka)):
        raise SetupError(f"{ONLY_KAFKA}: give it a dev stack with Apache Kafka")
    return found


def _inherited() -> dict[str, str]:
    """Our environment without settings: those of the author's shell are for other runs."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(PREFIX) or name in CONTROL - {"INGEST_CONFIG", "INGEST_SECRETS_DIR"}
    }


if __name__ == "__main__":
    main()
