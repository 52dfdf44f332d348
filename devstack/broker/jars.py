"""Apache Kafka's jars in the user's cache: fetched by Maven once, complete or not there at all.

The cache is `INGEST_DEV_CACHE` or the platform's cache folder for `ingest`. Starts at the same time are
safe: one fetches, the others wait for it.
"""

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

from devstack.broker.java import find_maven
from devstack.errors import DownloadError, MissingToolError, PartNotReadyError
from devstack.locks import FileLock
from devstack.processes import ChildProcess

POM = Path(__file__).with_name("pom.xml")
DOWNLOAD_SECONDS = 600


def kafka_version() -> str:
    """Return the version of Apache Kafka that the pom names."""
    match = re.search(r"<kafka.version>(.+?)</kafka.version>", POM.read_text())
    assert match is not None
    return match.group(1)


def cache_folder(env: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what the dev stack downloads."""
    return Path(env.get("INGEST_DEV_CACHE") or platformdirs.user_cache_path("ingest"))


def jar_folder(cache: Path) -> Path:
    """Return where the jars of the present pom are, or would be. Another pom gets another folder."""
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    return cache / f"kafka-{kafka_version()}-{digest}"


def ensure_jars(cache: Path, *, say: Callable[[str], None], env: Mapping[str, str] = os.environ) -> Path:
    """Return the folder with the jars, fetching them first where they are missing (54 MB, about 10 s).

    `say` is told before anything takes long. Raises MissingToolError (no Maven) or DownloadError.
    """
    target = jar_folder(cache)
    if target.is_dir():
        return target
    maven = find_maven(env)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise MissingToolError(
            f"The cache folder {cache} cannot be written ({exc.strerror}): set INGEST_DEV_CACHE to another."
        ) from exc
    with FileLock(cache / f"{target.name}.lock") as lock:
        if not lock.acquire():
            say(f"waiting for process {lock.holder}, which fetches Apache Kafka into {cache}")
            if not lock.acquire(DOWNLOAD_SECONDS):
                raise DownloadError(
                    f"Process {lock.holder} still holds {lock.path} after {DOWNLOAD_SECONDS} s."
                )
        if not target.is_dir():
            _fetch(maven, target, say)
    return target


def to_stderr(text: str) -> None:
    """Say something to the person who waits."""
    sys.stderr.write(f"devstack: {text}\n")
    sys.stderr.flush()


def _fetch(maven: Path, target: Path, say: Callable[[str], None]) -> None:
    log = target.with_name(f"{target.name}.maven.log")
    say(f"fetching Apache Kafka {kafka_version()} with Maven into {target} (54 MB, once; log: {log})")
    # We hold the lock: what is there was left by a fetch that was killed.
    for left in target.parent.glob(f".{target.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
        libs = Path(temporary) / "libs"
        command = [str(maven), "-q", "-B", "-C", "-f", str(POM), "dependency:copy-dependencies"]
        _run(
            ChildProcess("Maven", [*command, f"-DoutputDirectory={libs}", "-DincludeScope=runtime"], log=log)
        )
        if not any(libs.glob("kafka_2.13-*.jar")):
            raise DownloadError(f"Maven ended well but left no Kafka jar in {libs}. Its log is {log}.")
        # Renamed when complete: whoever sees the folder sees all of it.
        libs.rename(target)


def _run(maven: ChildProcess) -> None:
    maven.start()
    try:
        code = maven.wait(DOWNLOAD_SECONDS)
    except PartNotReadyError as exc:
        raise DownloadError(f"{exc}\nStart again to try again, or use INGEST_DEV_BROKER=tansu.") from exc
    finally:
        maven.stop()
    if code != 0:
        raise DownloadError(
            f"Maven could not fetch Apache Kafka (exit code {code}). Its log is {maven.log}; it ends:\n"
            f"{maven.log_tail()}\nStart again to try again, or use INGEST_DEV_BROKER=tansu."
        )
