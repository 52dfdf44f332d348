"""What the README shows works as it stands there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from runtime.exit_codes import ExitCode
from runtime.settings import Settings
from schemas.names import Names

README = Path(__file__).parents[2] / "README.md"
INGEST = [sys.executable, "-m", "cli.main"]
QUAKES = [
    {"id": f"q{number}", "time": f"2026-01-01T00:00:{number:02}Z", "magnitude": 1.5} for number in range(20)
]


def block(containing: str) -> str:
    """The one Python block of the README with this text."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [one for one in blocks if containing in one]
    return str(found)


def ingest(*arguments: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [*INGEST, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def subscriber(settings: Settings, topic: str) -> Iterator[subprocess.Popen[str]]:
    """The README's Python subscriber, with the addresses of this test in place of the README's."""
    program = block("my-team")
    for written, real in {
        "http://localhost:8081/apis/ccompat/v7": settings.registry.url,
        "localhost:9092": settings.kafka.bootstrap_servers,
        "ingest.weather": topic,
        "my-team": f"{topic}-subscriber",
        "temperature_2m": "magnitude",
    }.items():
        assert written in program
        program = program.replace(written, real)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_the_connector_is_checked_tried_published_and_subscribed_to(
    folder: Path, daemon_environment: dict[str, str], settings: Settings, httpserver: HTTPServer
) -> None:
    (folder / "quakes.py").write_text(block("class Quakes"), encoding="utf-8")
    httpserver.expect_request("/quakes").respond_with_json({"quakes": QUAKES})
    environment = {**daemon_environment, "INGEST_SOURCES__QUAKES__URL": httpserver.url_for("/quakes")}

    ingest("connectors", "check", "quakes", environment=environment)
    assert "q4" in ingest("connectors", "try", "quakes", "--limit", "5", environment=environment)
    ingest("run", "quakes", environment=environment)

    with subscriber(settings, Names(settings.topic_prefix).topic("quakes")) as process:
        assert process.stdout is not None
        lines = sorted(process.stdout.readline() for _ in QUAKES)
    assert [line.split()[0] for line in lines] == sorted(str(quake["id"]) for quake in QUAKES)
    assert all(line.endswith("1.5\n") for line in lines)


def test_the_registry_of_the_examples_is_the_one_of_compose() -> None:
    text = README.read_text("utf-8")
    compose = (README.parent / "docker-compose.yml").read_text("utf-8")
    (path,) = set(re.findall(r"INGEST_REGISTRY__URL: http://registry:8080(\S+)", compose))
    _, _, subscribing = text.partition("## Subscribing from another team")
    examples, _, _ = subscribing.partition("## Replaying")
    found = re.findall(r"http://localhost:8081([^\s\"`)]*)", examples)
    assert len(found) == 3
    assert set(found) == {path}


def test_the_exit_codes_are_the_commands_own() -> None:
    table = re.findall(r"^\| (\d+) \| (.*) \|$", README.read_text("utf-8"), re.MULTILINE)
    assert table == [(str(code.value), code.meaning) for code in ExitCode]


@pytest.mark.parametrize(
    "command",
    sorted(set(re.findall(r"^(?:\| )?`?ingest ((?:[a-z]+ ?)+)", README.read_text("utf-8"), re.MULTILINE))),
)
def test_every_command_of_the_readme_exists(command: str) -> None:
    words = [word for word in command.split() if word not in ("weather", "quakes")]
    ingest(*words, "--help", environment={})
