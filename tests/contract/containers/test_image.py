"""The Dockerfile and what goes into it: plain syntax, pinned, not root, and nothing that is not ours."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from runtime.settings import load_settings
from tests.compose_file import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
# Instructions with their continuation lines joined, comments and empty lines left out.
STEPS = [
    line.strip()
    for line in re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE)).splitlines()
    if line.strip()
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def steps(word: str) -> list[str]:
    return [step.partition(" ")[2].strip() for step in STEPS if step.startswith(f"{word} ")]


def test_builds_without_buildkit() -> None:
    assert not re.search(r"(?m)^\s*#\s*syntax=", DOCKERFILE)
    assert not any("--mount" in step for step in steps("RUN"))
    assert not any("--chmod" in step or "--link" in step for step in [*steps("COPY"), *steps("ADD")])
    assert "<<" not in DOCKERFILE


def test_base_is_the_oldest_python_that_we_support() -> None:
    (base,) = [step.removeprefix("BASE=") for step in steps("ARG") if step.startswith("BASE=")]
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert base == f"python:{oldest}-slim-bookworm"
    assert [step.split()[0] for step in steps("FROM")] == ["${BASE}", "${BASE}"]


def test_runs_as_a_numbered_user_that_is_not_root() -> None:
    user, group = (int(part) for part in steps("USER")[-1].split(":"))
    assert user > 1000
    assert group > 1000


def test_installs_only_what_is_pinned_by_hash() -> None:
    from_network = [
        part for step in steps("RUN") for part in step.split("&&") if "/pip " in part and " -r " in part
    ]
    assert len(from_network) == 3
    assert all("--require-hashes" in part for part in from_network)


def test_settings_of_the_image_exist() -> None:
    words = " ".join(steps("ENV")).split()
    environment = dict(word.split("=", 1) for word in words if word.startswith("INGEST_"))
    http = load_settings(env=environment).http
    assert (http.host, http.port) == ("0.0.0.0", 8080)
    assert steps("EXPOSE") == ["8080"]


def test_asks_for_its_own_health_without_other_programs() -> None:
    (check,) = steps("HEALTHCHECK")
    assert 'CMD ["python3", "-c"' in check
    assert "/livez" in check
    assert steps("STOPSIGNAL") == ["SIGTERM"]


def test_nothing_of_this_machine_goes_in() -> None:
    assert not re.search(r"(?i)cert|index-url|trusted-host|proxy", DOCKERFILE)


def test_context_is_what_the_wheel_is_made_of() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    wheel = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert let_in == wheel | {"pyproject.toml", PROJECT["project"]["readme"], "requirements"}


@pytest.mark.parametrize("name", ["demo.txt", "build.txt"])
def test_pins_of_the_image_are_those_of_development(name: str) -> None:
    pinned = pins(ROOT / "requirements" / name)
    developed = pins(ROOT / "requirements/dev.txt")
    assert pinned
    assert {key: developed.get(key) for key in pinned} == pinned


def pins(path: Path) -> dict[str, str]:
    """Package to version, as a requirements file pins them."""
    return dict(re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", path.read_text()))


def test_stand_in_script_is_shell() -> None:
    script = ROOT / "deploy/standins/build.sh"
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=30)
