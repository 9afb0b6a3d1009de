"""Holds a directory against other processes of this machine."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from streams.errors import ConfigError

__all__ = ["exclusive"]

#: A process that was just killed may hold its files for a moment.
_TRIES: Final = 50
_PAUSE_SECONDS: Final = 0.2


@contextmanager
def exclusive(
    directory: Path, *, setting: str = "data_dir", holder: str = "worker", pause_seconds: float = _PAUSE_SECONDS
) -> Iterator[None]:
    """Make the directory and hold it; released with the block, or with the process however that ends.

    Two workers in one directory would each take the other's stores for left over and unusable. Raises ConfigError, which
    names the setting, when another holds it, or nobody can.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "worker.lock").open("ab")
    except OSError as error:
        raise ConfigError(
            f"{setting}: cannot write to {directory} ({error.strerror}); name a directory this user may write to"
        ) from error
    with lock:
        for _ in range(_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(pause_seconds)
        else:
            raise ConfigError(
                f"{setting}: another {holder} runs in {directory}; give each {holder} a {setting} of its own"
            )
        yield
