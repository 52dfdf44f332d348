"""Finds Java and Maven and says why not when they cannot be used."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from devstack.errors import MissingToolError

MINIMUM_JAVA = 17
_VERSION_SECONDS = 20


def find_java(env: Mapping[str, str] = os.environ) -> Path:
    """Return a Java 17+ executable: JAVA_HOME's if set, else the first on PATH.

    Raises MissingToolError with the reason.
    """
    java = _find("java", env, homes=("JAVA_HOME",))
    if java is None:
        raise MissingToolError(
            f"Apache Kafka needs Java {MINIMUM_JAVA} or newer; there is no `java` in JAVA_HOME or on PATH. "
            "Install a JRE, or use the other broker: INGEST_DEV_BROKER=tansu."
        )
    text = _version_text(java)
    major = java_major(text)
    if major is None or major < MINIMUM_JAVA:
        found = f"Java {major}" if major else f"something else ({text.strip()[:100] or 'no output'})"
        raise MissingToolError(
            f"Apache Kafka needs Java {MINIMUM_JAVA} or newer; {java} is {found}. "
            "Point JAVA_HOME to a newer one, or use the other broker: INGEST_DEV_BROKER=tansu."
        )
    return java


def find_maven(env: Mapping[str, str] = os.environ) -> Path:
    """Return the Maven executable: MAVEN_HOME's if set, else the first `mvn` on PATH; or MissingToolError."""
    maven = _find("mvn", env, homes=("MAVEN_HOME", "M2_HOME"))
    if maven is None:
        raise MissingToolError(
            "Apache Kafka's jars are fetched with Maven once; there is no `mvn` in MAVEN_HOME or on PATH. "
            "Install Maven, or use the other broker: INGEST_DEV_BROKER=tansu."
        )
    return maven


def java_major(text: str) -> int | None:
    """Return the major version in the output of `java -version` ("1.8.0_402" is 8), None if there is none."""
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match.group(1)) if match else None


def _find(name: str, env: Mapping[str, str], *, homes: tuple[str, ...]) -> Path | None:
    folders = [str(Path(env[home]) / "bin") for home in homes if env.get(home)]
    found = shutil.which(name, path=os.pathsep.join([*folders, env.get("PATH", os.defpath)]))
    return Path(found) if found else None


def _version_text(java: Path) -> str:
    try:
        # Java writes its version to stderr.
        done = subprocess.run(  # noqa: S603 - the executable that the person's own PATH names
            [str(java), "-version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc)
    return done.stderr + done.stdout
