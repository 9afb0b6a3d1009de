"""Real worker processes for tests: started as a person would, watched over HTTP, ended in every way.

Nothing here sleeps to let something happen: :func:`eventually` asks until it has, and says what it last saw if it never
does.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from deploy.local.child import spawn
from deploy.local.properties import free_ports

__all__ = ["ASSAY", "Worker", "assay", "eventually"]

#: The command as installed, beside the interpreter that runs the tests.
ASSAY: Final = str(Path(sys.executable).parent / "assay")
#: Generous: a build machine under load has been seen to need ten times what a free one does.
_PATIENCE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05
_T = TypeVar("_T")


def eventually(what: str, see: Callable[[], _T], right: Callable[[_T], bool] = bool) -> _T:
    """What ``see`` gives once it is right; fails with the last thing seen if that never happens."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not right(seen := see()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {_PATIENCE_SECONDS:.0f} s: {what}; last seen: {seen!r}")
        time.sleep(_POLL_SECONDS)
    return seen


def assay(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [ASSAY, *arguments], env=os.environ | environment, capture_output=True, text=True, check=False,
        timeout=_PATIENCE_SECONDS,
    )  # fmt: skip


class Worker:
    """One ``assay worker``: its data and log lie under ``directory`` and survive a :meth:`start` after a stop.

    ``environment`` holds settings as variables. With ``dev_key`` false no key for pseudonyms is given.
    """

    def __init__(
        self, brokers: str, prefix: str, directory: Path, environment: Mapping[str, str] | None = None, *,
        dev_key: bool = True,
    ) -> None:  # fmt: skip
        self.data = directory / "data"
        self._brokers = brokers
        self._prefix = prefix
        self._environment = dict(environment or {})
        self._dev_key = dev_key
        self._log = directory / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Where its pages are, in this life."""
        return self._url

    def start(self, *, port: int | None = None, **environment: str) -> Self:
        """Start the process, with further settings for this life, on a free port or this one; returns at once."""
        port = port or free_ports(1)[0]
        self._url = f"http://127.0.0.1:{port}"
        env = shutil.which("env")
        assert env is not None
        settings = [f"{name}={value}" for name, value in (self._environment | environment).items()]
        flags = ["--brokers", self._brokers, "--topic-prefix", self._prefix, "--data-dir", str(self.data)]
        flags += ["--web-port", str(port), *(["--insecure-dev-key"] if self._dev_key else [])]
        with self._log.open("ab") as log:
            self._process = spawn([env, *settings, ASSAY, "worker", *flags], log=log, dies_with_parent=True)
        return self

    def ready(self) -> Self:
        """Wait until it has its partitions, restored."""
        eventually("the worker is ready", self._readiness, lambda seen: seen[0] == 200)
        return self

    def _readiness(self) -> tuple[int, bytes]:
        assert self._running.poll() is None, f"the worker ended with {self._running.returncode}:\n{self.log[-4000:]}"
        try:
            return self.get("/readyz")
        except OSError as error:
            return 0, str(error).encode()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the worker was not started"
        return self._process

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of one of its pages."""
        try:
            with urllib.request.urlopen(self._url + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels; 0 where there is none."""
        families = text_string_to_metric_families(self.get("/metrics")[1].decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def received(self, count: int) -> Self:
        """Wait until the effects of this many records, since the start, are committed."""
        eventually(
            f"{count} records are received",
            lambda: self.metric("assay_events_received_total"),
            lambda seen: seen >= count,
        )
        return self

    @property
    def log(self) -> str:
        """Everything it has written in all of its lives."""
        return self._log.read_text(errors="replace")

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of one event, in order."""
        return [json.loads(line) for line in self.log.splitlines() if f'"event":"{event}"' in line]

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self._running.terminate()
        return self.ended()

    def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        return self._running.wait(_PATIENCE_SECONDS)

    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._running.poll()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._running.send_signal(signal.SIGKILL)
        self._running.wait()

    def freeze(self) -> None:
        """Stop the process where it is: to everyone else it is gone, and it does not know."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        # Shown for a test that failed, and for no other. A fixture is not told, so it is not asked here either.
        if self._log.exists():
            print(f"--- the worker's log, {self._log}, ends with:\n{self.log[-12_000:]}", file=sys.stderr)
