"""A local Kafka that outlives the command that started it, known by a state file in its directory."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final, NamedTuple

from deploy.local.broker import LocalKafka
from streams.errors import DependencyError

__all__ = ["Running", "running", "start", "stop"]

_STOP_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1


class Running(NamedTuple):
    """A broker in the background."""

    pid: int
    bootstrap: str


def running(directory: Path) -> Running | None:
    """The broker of this directory, None when there is none; a state file whose process is gone counts as none."""
    try:
        state = Running(**json.loads(_state_file(directory).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    # A process id is reused sooner or later: only a process that names our configuration is ours.
    return state if str(directory.resolve() / "server.properties") in _command_line(state.pid) else None


def start(directory: Path, *, heap_mb: int = 512) -> Running:
    """Start one, or return the one that runs.

    Raises:
        DependencyError: it did not come up.
    """
    state = running(directory)
    if state is None:
        kafka = LocalKafka(directory, heap_mb=heap_mb, dies_with_parent=False)
        state = Running(bootstrap=kafka.start(), pid=kafka.pid)
        _state_file(directory).write_text(json.dumps(state._asdict()))
    return state


def stop(directory: Path) -> bool:
    """Stop it and wait until it is gone; False when none ran. Data and ports are kept for the next start.

    Raises:
        DependencyError: it does not end.
    """
    state = running(directory)
    if state is not None:
        os.kill(state.pid, signal.SIGCONT)
        os.kill(state.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while running(directory) is not None:
            if time.monotonic() > deadline:
                raise DependencyError(f"the local Kafka (process {state.pid}) does not stop: end it with kill -9")
            time.sleep(_POLL_SECONDS)
    _state_file(directory).unlink(missing_ok=True)
    return state is not None


def _state_file(directory: Path) -> Path:
    return directory / "running.json"


def _command_line(pid: int) -> str:
    """Arguments of a process; empty when it is gone or only waits to be reaped."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except OSError:
            return ""
    return subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
