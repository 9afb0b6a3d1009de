"""The one place that reads the wall clock."""

import time
from typing import Protocol

__all__ = ["Clock", "FixedClock", "SystemClock"]


class Clock(Protocol):
    """Something that tells the time in milliseconds since the epoch, UTC."""

    def now_ms(self) -> int:
        """Wall-clock time, integer milliseconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Wall-clock time, integer milliseconds."""
        return time.time_ns() // 1_000_000


class FixedClock:
    """A clock that stands where it is put: for tests and replay."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """The time it was last set to."""
        return self._now_ms

    def set(self, now_ms: int) -> None:
        """Move the clock."""
        self._now_ms = now_ms
