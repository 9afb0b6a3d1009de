"""Event-time windows and the watermark that closes them.

A window is an integer bucket: ``bucket = occurred_at_ms // size_ms``. Sizes nest exactly (5 minutes in an hour in a
day), so every coarser window is the sum of the finer ones within it.
"""

from enum import IntEnum
from typing import Final, Literal

__all__ = ["BASE_MS", "SIZES", "Scope", "Watermark", "Window"]


class Window(IntEnum):
    """A tumbling window's size; the value is the size in milliseconds."""

    FIVE_MINUTES = 300_000
    HOUR = 3_600_000
    DAY = 86_400_000

    # Enum's own hash is a Python call, and sizes are part of every row's key.
    __hash__ = int.__hash__

    @property
    def code(self) -> int:
        """One byte that names the size in state keys; never reuse a code."""
        return _CODES[self]

    @property
    def coarser(self) -> "Window | None":
        """The window that is summed up from this one's."""
        return _COARSER[self]

    @property
    def finer(self) -> "Window":
        """The window that this one is the sum of; the finest is its own."""
        return _FINER[self]

    @property
    def label(self) -> str:
        """The size as a bounded metric label."""
        return _LABELS[self]


_CODES: Final = {Window.FIVE_MINUTES: 1, Window.HOUR: 2, Window.DAY: 3}
_COARSER: Final = {Window.FIVE_MINUTES: Window.HOUR, Window.HOUR: Window.DAY, Window.DAY: None}
_FINER: Final = {Window.FIVE_MINUTES: Window.FIVE_MINUTES, Window.HOUR: Window.FIVE_MINUTES, Window.DAY: Window.HOUR}
_LABELS: Final = {Window.FIVE_MINUTES: "5m", Window.HOUR: "1h", Window.DAY: "1d"}

SIZES: Final = (Window.FIVE_MINUTES, Window.HOUR, Window.DAY)
#: The size events are counted in; coarser windows are fed when a window of this size closes.
BASE_MS: Final = int(Window.FIVE_MINUTES)


class Scope(IntEnum):
    """What a row aggregates; the value is the scope's byte in state keys."""

    WORKFLOW = 1
    TEAM = 2

    __hash__ = int.__hash__

    @property
    def label(self) -> Literal["workflow", "team"]:
        """The scope as published."""
        return "workflow" if self is Scope.WORKFLOW else "team"


class Watermark:
    """How far event time has come in one partition: the newest event less the lateness, never backwards.

    Two readings follow from it. ``value_ms`` decides what is too late, and moves with events and, while the partition
    is idle, with the time that passes. ``closing_ms`` decides which windows close: the same, except that an idle
    partition also closes windows that lie in the wall clock's past, so that a replayed or imported history does not
    wait for traffic that will never come. Closing early is harmless: what still arrives is a revision.
    """

    __slots__ = ("closing_ms", "lateness_ms", "newest_ms", "value_ms")

    def __init__(self, lateness_ms: int, newest_ms: int = 0, value_ms: int = 0, closing_ms: int = 0) -> None:
        self.lateness_ms = lateness_ms
        self.newest_ms = newest_ms
        self.value_ms = value_ms
        self.closing_ms = closing_ms

    def observe(self, occurred_at_ms: int) -> None:
        """Take an event's time into account."""
        if occurred_at_ms > self.newest_ms:
            self.newest_ms = occurred_at_ms
            self._raise_to(occurred_at_ms - self.lateness_ms)

    def idle(self, idle_for_ms: int, now_ms: int) -> None:
        """Let time pass in a partition that has had no record for ``idle_for_ms``."""
        if not self.newest_ms:
            return
        self._raise_to(min(self.newest_ms + idle_for_ms, max(now_ms, self.newest_ms)) - self.lateness_ms)
        self.closing_ms = max(self.closing_ms, now_ms - self.lateness_ms)

    def _raise_to(self, value_ms: int) -> None:
        self.value_ms = max(self.value_ms, value_ms)
        self.closing_ms = max(self.closing_ms, self.value_ms)
