"""Java 17+ and Maven are found where people put them, and their absence is explained."""

from pathlib import Path

import pytest

from devstack.broker.java import find_java, find_maven, java_major
from devstack.errors import MissingToolError


def program(path: Path, *, says: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{says}\nEND\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_402"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "25-ea" 2025-09-16', 25),
        ("The operation couldn't be completed.", None),
    ],
)
def test_the_major_version_is_read(text: str, major: int | None) -> None:
    assert java_major(text) == major


def test_java_home_comes_before_path(tmp_path: Path) -> None:
    home = program(tmp_path / "jdk" / "bin" / "java", says='openjdk version "21.0.1"')
    program(tmp_path / "bin" / "java", says='openjdk version "17.0.1"')
    env = {"JAVA_HOME": str(tmp_path / "jdk"), "PATH": f"{tmp_path / 'bin'}:/bin:/usr/bin"}
    assert find_java(env) == home


def test_path_is_used_without_java_home(tmp_path: Path) -> None:
    java = program(tmp_path / "bin" / "java", says='openjdk version "17.0.1"')
    assert find_java({"PATH": f"{tmp_path / 'bin'}:/bin:/usr/bin"}) == java


def test_no_java_says_where_it_was_looked_for_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match=r"no `java` in JAVA_HOME or on PATH.*INGEST_DEV_BROKER=tansu"):
        find_java({"PATH": str(tmp_path)})


def test_an_old_java_is_named_with_its_version(tmp_path: Path) -> None:
    java = program(tmp_path / "java", says='java version "1.8.0_402"')
    with pytest.raises(MissingToolError, match=rf"needs Java 17 or newer; {java} is Java 8"):
        find_java({"PATH": f"{tmp_path}:/bin:/usr/bin"})


def test_something_that_is_not_java_is_quoted(tmp_path: Path) -> None:
    program(tmp_path / "java", says="Unable to locate a Java Runtime.")
    with pytest.raises(MissingToolError, match="Unable to locate a Java Runtime"):
        find_java({"PATH": f"{tmp_path}:/bin:/usr/bin"})


def test_maven_is_found_in_its_home(tmp_path: Path) -> None:
    maven = program(tmp_path / "maven" / "bin" / "mvn")
    assert find_maven({"MAVEN_HOME": str(tmp_path / "maven"), "PATH": ""}) == maven


def test_no_maven_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match="no `mvn` in MAVEN_HOME or on PATH"):
        find_maven({"PATH": str(tmp_path)})
