"""One real worker process: started, read and stopped."""

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.child import spawn
from deploy.local.properties import free_ports
from tests.bench.process import BenchError, Usage, peak_rss_mb, tail, usage

__all__ = ["Scrape", "Worker", "running_worker"]

_POLL_SECONDS: Final = 0.05
_READY_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 30.0
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Scrape:
    """The worker's metrics at one moment."""

    text: str

    def total(self, name: str, **labels: str) -> float:
        """The sum of all samples of a name that have these labels."""
        wanted = labels.items()
        found = (match for match in _SAMPLE.finditer(self.text) if match[1] == name)
        return sum(float(match[3]) for match in found if wanted <= dict(_LABEL.findall(match[2] or "")).items())

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """The samples of a name, by the value of one label."""
        found = (match for match in _SAMPLE.finditer(self.text) if match[1] == name)
        return {dict(_LABEL.findall(match[2] or ""))[label]: float(match[3]) for match in found}


class Worker:
    """A worker that runs; ``process`` is its process, ``log`` all it has said."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.log = log
        self._url = f"http://127.0.0.1:{port}"

    @property
    def usage(self) -> Usage:
        """What it has used until now."""
        return usage(self.process.pid)

    @property
    def peak_rss_mb(self) -> int:
        """The most memory it ever held."""
        return peak_rss_mb(self.process.pid)

    def scrape(self) -> Scrape:
        """Its metrics."""
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=30) as answer:
            return Scrape(answer.read().decode())

    def wait_until_ready(self) -> None:
        """Return once ``/readyz`` says so."""
        deadline = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise self.failed(f"the worker was not ready within {_READY_SECONDS:.0f} seconds")
            time.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """Raise BenchError if it has ended."""
        code = self.process.poll()
        if code is not None:
            raise self.failed(f"the worker ended with exit code {code}")

    def stop(self) -> None:
        """Stop it as an orchestrator does: ask, then end it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def failed(self, what: str) -> BenchError:
        """The error that says so, with what the worker said last."""
        return BenchError(f"{what}; {tail(self.log)}")

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:  # not listening yet, or 503
            return False


@contextmanager
def running_worker(
    brokers: str, prefix: str, partitions: int, directory: Path, *, sample_to: Path | None = None
) -> Iterator[Worker]:
    """A worker of its own data directory; with ``sample_to`` it watches itself (:mod:`tests.bench.sampled`)."""
    directory.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.bench.sampled", str(sample_to)]
    if sample_to is None:
        command = [str(Path(sys.executable).with_name("assay"))]
    command += [
        "worker", "--insecure-dev-key", "--brokers", brokers, "--topic-prefix", prefix, "--partitions", str(partitions),
        "--data-dir", str(directory / "data"), "--web-port", str(port), "--log-format", "json",
    ]  # fmt: skip
    log_path = directory / "worker.log"
    with log_path.open("ab") as log:
        worker = Worker(spawn(command, log=log, dies_with_parent=True), port, log_path)
    try:
        yield worker
    finally:
        worker.stop()
