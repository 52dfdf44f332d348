"""The compose project for the tests here; what it can do is in compose_project.py."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.containers.compose_project import Project

RUN_COMPOSE = "INGEST_TEST_COMPOSE"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """The compose project, not started; everything of it is removed afterwards."""
    if os.environ.get(RUN_COMPOSE) != "1":
        pytest.skip(f"starts all of docker-compose.yml, minutes long: set {RUN_COMPOSE}=1 to run it")
    # Containers write nothing here, but pytest's folder is closed to the daemons' user.
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(0o755)
    project = Project(tmp_path)
    try:
        yield project
    finally:
        # Shown by pytest when the test has failed.
        print(project.compose("logs", "--no-color", "--tail", "50"))
        project.compose("down", "--volumes", "--timeout", "40")
