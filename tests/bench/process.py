"""Processes: what one has used so far, from the kernel's own books (Linux), and running one to its end."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.local.child import spawn

__all__ = ["BenchError", "Usage", "machine", "peak_rss_mb", "result_of", "tail", "usage"]

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
#: Fields of a ``stat`` line behind the command's closing bracket: user and system time.
_USER, _SYSTEM = 11, 12
_TAIL_LINES: Final = 15


class BenchError(Exception):
    """Nothing can be measured; says why, for whoever ran it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds, user and system: of the whole process, and of each thread that lives, by thread id."""

    cpu_s: float
    threads: dict[int, float]


def usage(pid: int) -> Usage:
    """What a process has used until now; threads that have ended count in the process's figure only."""
    threads = {}
    for task in (_PROC / str(pid) / "task").iterdir():
        try:
            threads[int(task.name)] = _cpu_s(task / "stat")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return Usage(_cpu_s(_PROC / str(pid) / "stat"), threads)


def peak_rss_mb(pid: int) -> int:
    """The most memory a process ever held, in MiB."""
    match = re.search(r"^VmHWM:\s+(\d+) kB$", (_PROC / str(pid) / "status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) // 1024


def result_of(module: str, *arguments: object, directory: Path, timeout_s: float = 600.0) -> dict[str, Any]:
    """Run a module of this package in a process of its own; gives the JSON it writes to the path it is given first.

    ``directory`` is emptied before: what an earlier run left there is not part of this one.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    out, log_path = directory / "result.json", directory / "output.log"
    command = [sys.executable, "-m", f"tests.bench.{module}", str(out), *map(str, arguments)]
    with log_path.open("wb") as log:
        process = spawn(command, log=log, dies_with_parent=True)
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{module} did not end within {timeout_s:.0f} seconds; {tail(log_path)}") from error
    finally:
        process.kill()
        process.wait()
    if code or not out.exists():
        raise BenchError(f"{module} ended with exit code {code}; {tail(log_path)}")
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def tail(log: Path) -> str:
    """The last lines of a log, for an error's text."""
    return "\n".join([f"last lines of {log}:", *log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]])


def machine() -> dict[str, object]:
    """The facts about this machine that a figure is worthless without."""
    info = (_PROC / "cpuinfo").read_text()
    model = re.search(r"^(?:model name|CPU part)\s*: (.+)$", info, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": memory,
        "kernel": platform.release(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _cpu_s(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS
