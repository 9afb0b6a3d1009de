"""A local Apache Kafka for development, tests and the demo: real, single node, without Docker or an installed Java."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from deploy.local.child import spawn
from deploy.local.distribution import class_path, java
from deploy.local.properties import cluster_id, free_ports, server_properties
from streams.errors import DependencyError

__all__ = ["LocalKafka", "brokers", "local_kafka"]

# About 4 s on two idle cores; a loaded build machine has been seen to need ten times that.
_START_SECONDS: Final = 120.0
# A controlled shutdown writes its logs out; after this it is not going to.
_STOP_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_LOG_TAIL_LINES: Final = 20


class LocalKafka:
    """One broker process with its data, configuration and log under ``directory``.

    The ports are chosen at the first start and belong to the directory from then on: clients find the broker where it
    was after `restart`, after `kill` and `start`, and from another process that opens the same directory.
    """

    def __init__(self, directory: Path, *, heap_mb: int = 512, dies_with_parent: bool = True) -> None:
        self.directory = Path(directory).resolve()
        self.log = self.directory / "kafka.log"
        self._properties = self.directory / "server.properties"
        self._data = self.directory / "data"
        self._heap_mb = heap_mb
        self._dies_with_parent = dies_with_parent
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients; defined once started."""
        match = re.search(r"^listeners=PLAINTEXT://([^,]+),", self._properties.read_text(), re.MULTILINE)
        assert match is not None, f"{self._properties} was written by someone else"
        return match[1]

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        return self._running().pid

    def start(self) -> str:
        """Start, and return ``bootstrap`` once the broker answers requests. Data of an earlier run is kept.

        Raises:
            DependencyError: it did not come up; the message ends with the last lines of its log.
        """
        if self._process is not None and self._process.poll() is None:
            return self.bootstrap
        self._data.mkdir(parents=True, exist_ok=True)
        if not (self._data / "meta.properties").exists():
            broker_port, controller_port = free_ports(2)
            self._properties.write_text(
                server_properties(self._data, broker_port=broker_port, controller_port=controller_port)
            )
            self._format()
        with self.log.open("ab") as log:
            command = self._java("kafka.Kafka", str(self._properties))
            self._process = spawn(command, log=log, dies_with_parent=self._dies_with_parent)
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise
        return self.bootstrap

    def stop(self) -> None:
        """Shut down in order; safe to call twice, and on a paused broker."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it as a power cut would: no shutdown, nothing flushed but what the kernel already has."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> str:
        """Stop in order and start again on the same ports with the same data."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Freeze the process: connections stay open and nothing answers, as in a network partition."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused broker go on."""
        self._running().send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise DependencyError(f"the local Kafka in {self.directory} is not running: start it first")
        return self._process

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [
            str(java()),
            "-Xms256m",
            f"-Xmx{self._heap_mb}m",
            # One short-lived process on a small machine: less memory and a faster start beat peak throughput.
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            class_path(),
            main,
            *arguments,
        ]

    def _format(self) -> None:
        """Give an empty data directory its identity, which a KRaft broker refuses to start without."""
        options = ["format", "--standalone", "-t", cluster_id(), "-c", str(self._properties)]
        with self.log.open("ab") as log:
            result = subprocess.run(
                self._java("kafka.tools.StorageTool", *options),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if result.returncode != 0:
            raise self._failure(f"could not format {self._data}")

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not (_accepts(self.bootstrap) and _answers(self.bootstrap)):
            if self._running().poll() is not None:
                raise self._failure(f"ended with exit code {self._running().returncode} while starting")
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer on {self.bootstrap} within {_START_SECONDS:.0f} seconds")
            time.sleep(_POLL_SECONDS)

    def _failure(self, what: str) -> DependencyError:
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return DependencyError("\n".join([f"the local Kafka {what}; last lines of {self.log}:", *lines]))


def brokers() -> str | None:
    """The Kafka to use instead of a local one: ``ASSAY_BROKERS``, None when unset or empty."""
    return os.environ.get("ASSAY_BROKERS", "").strip() or None


@contextmanager
def local_kafka(directory: Path, *, heap_mb: int = 512) -> Iterator[str]:
    """Bootstrap servers for as long as the block lasts: those of ``ASSAY_BROKERS``, or of a broker of our own."""
    given = brokers()
    if given is not None:
        yield given
        return
    with LocalKafka(directory, heap_mb=heap_mb) as kafka:
        yield kafka.bootstrap


def _accepts(bootstrap: str) -> bool:
    host, port = bootstrap.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True


def _answers(bootstrap: str) -> bool:
    """Whether the broker serves requests and the controller has let it in; the port is open well before that."""
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        with KafkaAdminClient(
            bootstrap_servers=bootstrap, bootstrap_timeout_ms=5_000, request_timeout_ms=5_000
        ) as admin:
            cluster = admin.describe_cluster()
    except KafkaError:
        return False
    return any(not broker.get("is_fenced", False) for broker in cluster["brokers"])
