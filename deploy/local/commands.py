"""Assay's own command as child processes: a producer that runs to its end, and services that can be asked how they are."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.local.child import spawn
from streams.errors import DependencyError

__all__ = ["Command", "Console", "Ingest", "Worker"]

_READY_SECONDS: Final = 120.0
#: A worker finishes its transaction; what takes longer is killed.
_STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.1
_TAIL_LINES: Final = 15


class Command:
    """``assay`` with arguments, in a session of its own, its output in a log; gone at the latest when we are.

    Settings in the caller's environment do not reach it: ``settings`` are the only variables of ours that it sees.
    """

    def __init__(self, *arguments: str, log: Path, settings: Mapping[str, str] | None = None) -> None:
        self.name = f"assay {arguments[0]}"
        self.log = log
        executable = Path(sys.executable).with_name("assay")
        env = shutil.which("env")
        if env is None or not executable.exists():
            raise DependencyError(f"{executable} is missing: install the package first (make venv)")
        forgotten = [part for name in os.environ if name.startswith("ASSAY_") for part in ("-u", name)]
        given = [f"{name}={value}" for name, value in (settings or {}).items()]
        with log.open("wb") as output:
            self._process = spawn(
                [env, *forgotten, *given, str(executable), *arguments], log=output, dies_with_parent=True
            )

    @property
    def ended(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    @property
    def last_line(self) -> str:
        """The last line it wrote."""
        return (self._lines() or [""])[-1]

    def stop(self) -> None:
        """End it, in order if it will; safe to call twice."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def failure(self, what: str) -> DependencyError:
        """What went wrong, and the end of its log."""
        return DependencyError("\n".join([f"{self.name} {what}; its log ends with:", *self._lines()[-_TAIL_LINES:]]))

    def _lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()


class _Service(Command):
    """A command that runs until it is stopped, with pages for machines at ``url``."""

    url: str

    def wait_until_ready(self) -> None:
        """Return once it is ready for work.

        Raises:
            DependencyError: it ended, or is not ready in time.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            if self.ended is not None:
                raise self.failure(f"ended with exit code {self.ended}")
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready within {_READY_SECONDS:.0f} seconds")
            time.sleep(_POLL_SECONDS)

    def _is_ready(self) -> bool:
        try:
            return bool(self.page("/readyz"))
        except OSError:
            return False

    def metrics(self) -> str:
        """Its metrics at one instant.

        Raises:
            DependencyError: it does not answer.
        """
        try:
            return self.page("/metrics")
        except OSError as error:
            raise self.failure(f"does not answer ({error})") from error

    def page(self, path: str) -> str:
        """The body of a page; raises OSError on any status but 200."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:  # noqa: S310  (our own address)
            body: bytes = answer.read()
        return body.decode()


class Worker(_Service):
    """``assay worker`` with the development key."""

    def __init__(
        self, brokers: str, prefix: str, *, port: int, data: Path, log: Path, settings: Mapping[str, str]
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(
            "worker", "--insecure-dev-key", "--brokers", brokers, "--topic-prefix", prefix,
            "--data-dir", str(data), "--web-port", str(port), log=log, settings=settings,
        )  # fmt: skip


class Ingest(_Service):
    """``assay ingest`` with the development key; ``posts_to`` is where clients send."""

    def __init__(
        self, brokers: str, prefix: str, *, ports: tuple[int, int], sources: Path, data: Path, log: Path
    ) -> None:
        port, web_port = ports
        self.posts_to = f"http://127.0.0.1:{port}"
        self.url = f"http://127.0.0.1:{web_port}"
        super().__init__(
            "ingest", "--insecure-dev-key", "--brokers", brokers, "--topic-prefix", prefix, "--data-dir", str(data),
            "--sources-file", str(sources), "--port", str(port), "--web-port", str(web_port), log=log,
        )  # fmt: skip


class Console(_Service):
    """``assay console``; ``pages`` is where people look."""

    def __init__(
        self, brokers: str, prefix: str, *, ports: tuple[int, int], log: Path, workers: str = "",
        settings: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        port, web_port = ports
        self.pages = f"http://127.0.0.1:{port}"
        self.url = f"http://127.0.0.1:{web_port}"
        super().__init__(
            "console", "--brokers", brokers, "--topic-prefix", prefix, "--port", str(port), "--web-port", str(web_port),
            *(("--workers", workers) if workers else ()), log=log, settings=settings,
        )  # fmt: skip
