"""How much may wait for how long, and what became of the events."""

import logging
import time
from dataclasses import dataclass
from typing import Final

__all__ = ["Account", "Counts", "Limits"]

_LOG: Final = logging.getLogger("assay.litellm")
#: How often it is said that something is still wrong.
_SAY_AGAIN_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds and times; the defaults suit a proxy of some hundred calls a second."""

    batch_events: int = 500
    batch_bytes: int = 1024 * 1024
    linger_seconds: float = 0.5
    memory_bytes: int = 32 * 1024 * 1024
    spool_bytes: int = 1024 * 1024 * 1024
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0


@dataclass(slots=True)
class Counts:
    """Events by what became of them. All but ``accepted`` are counted by the thread; ``written`` are those safe on disk."""

    accepted: int = 0
    written: int = 0
    sent: int = 0
    refused: int = 0
    lost: int = 0
    retries: int = 0


class Account:
    """Counts events and says what goes wrong with them: errors in the log, the same kind of them once a minute."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._said: dict[str, float] = {}

    def lost(self, events: int, why: str) -> None:
        """Events that nobody will ever have."""
        self.counts.lost += events
        self.say(f"events are lost, {self.counts.lost} so far: {why}", key="lost")

    def say(self, message: str, key: str = "") -> None:
        """Log an error, unless one with the same key was logged within the last minute."""
        now = time.monotonic()
        if now - self._said.get(key, -_SAY_AGAIN_SECONDS) >= _SAY_AGAIN_SECONDS:
            self._said[key] = now
            _LOG.error("%s", message)
