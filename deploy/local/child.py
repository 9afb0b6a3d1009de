"""A process that dies with the one that started it, however that one ends.

Run as a program it asks the kernel for the parent's death to be its own, then becomes the wanted command: the process
id stays the same. A hook between fork and exec would do this too, but is unsafe in a process with threads.
"""

import ctypes
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final

__all__ = ["spawn"]

_PR_SET_PDEATHSIG: Final = 1
# The kernel means the *thread* that started the child. A worker thread of some event loop ends long before its process.
_SPAWNER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="child-spawner")


def spawn(command: list[str], *, log: IO[bytes], dies_with_parent: bool) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own (Ctrl-C does not reach it), its output appended to ``log``.

    With ``dies_with_parent`` it is killed when this process ends; Linux only, elsewhere the caller must stop it.
    """
    if dies_with_parent and sys.platform == "linux":
        command = [sys.executable, "-I", "-S", str(Path(__file__)), str(os.getpid()), *command]
    return _SPAWNER.submit(
        subprocess.Popen,
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ).result()


def _become(parent: int, command: list[str]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the request was in place.
    if os.getppid() == parent:
        os.execv(command[0], command)


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
