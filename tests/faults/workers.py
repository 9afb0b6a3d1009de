"""Worker processes under supervision: whoever dies is started again, as any orchestrator would."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from deploy.local.child import spawn
from deploy.local.properties import free_ports

__all__ = ["Exit", "Supervisor", "Worker"]

_WATCH_S: Final = 0.05
#: Ordinary stops end well within this; beyond it the stop itself has hung.
_STOP_S: Final = 40.0


@dataclass(frozen=True, slots=True)
class Exit:
    """One end of one process. ``expected`` if the suite brought it about."""

    worker: str
    code: int
    expected: bool
    last_words: str


@dataclass
class Worker:
    """One ``assay worker`` with its own data directory, port and log; ``wanted`` if it is to be kept running."""

    name: str
    directory: Path
    command: list[str]
    environment: Mapping[str, str]
    port: int = 0
    wanted: bool = False
    process: "subprocess.Popen[bytes] | None" = None
    killed: bool = False
    crash_at: str = ""
    log: Path = field(init=False)
    data: Path = field(init=False)
    _log_start: int = 0

    def __post_init__(self) -> None:
        self.log = self.directory / f"{self.name}.log"
        self.data = self.directory / self.name
        self.port = self.port or free_ports(1)[0]

    @property
    def alive(self) -> bool:
        """Whether its process exists."""
        return self.process is not None and self.process.poll() is None

    def start(self, crash_at: str = "") -> None:
        """Start the process; ``crash_at`` is a crash point and a count, as in ASSAY_CRASH_AT."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.killed, self.crash_at = False, crash_at
        options = [f"--data-dir={self.data}", f"--web-port={self.port}"]
        variables = {**self.environment, "ASSAY_CRASH_AT": crash_at}
        command = ["/usr/bin/env", *(f"{name}={value}" for name, value in variables.items()), *self.command, *options]
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self.process = spawn(command, log=log, dies_with_parent=True)

    def signal(self, number: int) -> None:
        """Send a signal, if there is anyone to receive it."""
        if self.alive:
            assert self.process is not None
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it as the kernel does, now."""
        self.killed = True
        self.signal(signal.SIGKILL)

    def page(self, path: str, timeout: float = 1.0) -> str | None:
        """A page of its web server; None when it does not answer, or not with 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as response:
                return str(response.read().decode())
        except (OSError, ValueError):
            return None

    def log_lines(self) -> Iterator[dict[str, Any]]:
        """The structured lines of its log."""
        if not self.log.exists():
            return
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def last_words(self) -> str:
        """The sentence with which its last process ended; the last line of the log where there is none."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("Error: ")]
        return (errors or lines or [""])[-1][:400]


class Supervisor:
    """Keeps wanted workers running. ``crash_plan`` is what successive starts are told to crash at."""

    def __init__(self, directory: Path, brokers: str, prefix: str, settings: Mapping[str, str]) -> None:
        self.workers: list[Worker] = []
        self.crash_plan: deque[str] = deque()
        self.exits: list[Exit] = []
        self._directory = directory
        self._command = [
            sys.executable, "-c", "from streams.cli import main; main()", "worker", "--insecure-dev-key",
            f"--brokers={brokers}", f"--topic-prefix={prefix}",
        ]  # fmt: skip
        path = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH", "")]))
        self._settings = {"ASSAY_LOG_FORMAT": "json", "PYTHONPATH": path, **settings}
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def add(self, count: int = 1) -> list[Worker]:
        """New workers, running."""
        with self._lock:
            names = [f"worker-{len(self.workers) + number + 1}" for number in range(count)]
            added = [Worker(name, self._directory, self._command, self._settings) for name in names]
            for worker in added:
                self.up(worker)
            self.workers += added
        if not self._thread.is_alive():
            self._thread.start()
        return added

    def up(self, worker: Worker) -> None:
        """Start a worker, and keep it running from now on."""
        with self._lock:
            worker.wanted = True
            if not worker.alive:
                worker.start(self.crash_plan.popleft() if self.crash_plan else "")

    def down(self, worker: Worker, number: int = signal.SIGKILL) -> None:
        """End a worker and leave it down."""
        with self._lock:
            worker.wanted = False
            worker.killed = True
        process = worker.process
        worker.signal(number)
        if process is not None:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.exits.append(Exit(worker.name, 0, False, f"did not stop within {_STOP_S:.0f} s"))
                worker.kill()
                process.wait()
            if number == signal.SIGTERM and process.returncode > 0:
                self.exits.append(Exit(worker.name, process.returncode, False, worker.last_words()))

    def wait_until_ready(self, timeout: float) -> bool:
        """Wait until every wanted worker says that it is ready."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if all(worker.page("/readyz") is not None for worker in self.workers if worker.wanted):
                return True
            time.sleep(0.1)
        return False

    def self_crashes(self) -> int:
        """How many processes ended themselves at the crash point they were told."""
        return sum(exit_.code == -signal.SIGKILL and exit_.last_words.startswith("crash ") for exit_ in self.exits)

    def unexpected(self) -> list[Exit]:
        """Ends that nobody asked for."""
        return [exit_ for exit_ in self.exits if not exit_.expected]

    def close(self) -> None:
        """Stop all workers in order."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
        for worker in self.workers:
            worker.signal(signal.SIGCONT)
            worker.signal(signal.SIGTERM)
        for worker in self.workers:
            self.down(worker, signal.SIGTERM)

    def events(self) -> Counter[str]:
        """How often the workers logged which event."""
        return Counter(str(line.get("event")) for worker in self.workers for line in worker.log_lines())

    def logged(self, event: str) -> list[dict[str, Any]]:
        """All log lines of one event."""
        return [line for worker in self.workers for line in worker.log_lines() if line.get("event") == event]

    def _watch(self) -> None:
        while not self._closed.wait(_WATCH_S):
            with self._lock:
                for worker in self.workers:
                    if worker.process is not None and worker.process.poll() is not None:
                        self._ended(worker, worker.process.returncode)

    def _ended(self, worker: Worker, code: int) -> None:
        worker.process = None
        crashed = bool(worker.crash_at) and code == -signal.SIGKILL and not worker.killed
        last_words = f"crash at {worker.crash_at}" if crashed else worker.last_words()
        self.exits.append(Exit(worker.name, code, crashed or worker.killed, last_words))
        if worker.wanted:
            worker.start(self.crash_plan.popleft() if self.crash_plan else "")
