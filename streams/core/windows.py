"""Event-time windows and the watermark that closes them.

A window is an integer bucket: ``bucket = (occurred_at_ms + offset_ms) // size_ms``, where only the week has an offset: ISO
weeks begin on Monday, and the epoch was a Thursday. Sizes nest exactly (5 minutes in an hour in a day in a week), so every
coarser window is the sum of the finer ones within it.
"""

from collections.abc import Iterator
from enum import IntEnum
from itertools import pairwise
from typing import Final, Literal

__all__ = ["BASE_MS", "PUBLISHED", "SIZES", "Scope", "Watermark", "Window"]


class Window(IntEnum):
    """A tumbling window's size; the value is the size in milliseconds."""

    FIVE_MINUTES = 300_000
    HOUR = 3_600_000
    DAY = 86_400_000
    WEEK = 604_800_000

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

    def bucket_of(self, at_ms: int) -> int:
        """The window that holds an instant; all windows below it are over by then."""
        return (at_ms + _OFFSETS[self]) // self

    def start_of(self, bucket: int) -> int:
        """A window's first millisecond."""
        return bucket * self - _OFFSETS[self]


SIZES: Final = (Window.FIVE_MINUTES, Window.HOUR, Window.DAY, Window.WEEK)

_CODES: Final = {size: code for code, size in enumerate(SIZES, start=1)}
_COARSER: Final[dict[Window, "Window | None"]] = {**dict(pairwise(SIZES)), Window.WEEK: None}
_FINER: Final = {Window.FIVE_MINUTES: Window.FIVE_MINUTES, **{coarser: finer for finer, coarser in pairwise(SIZES)}}
_LABELS: Final = dict(zip(SIZES, ("5m", "1h", "1d", "1w"), strict=True))
_OFFSETS: Final = {size: 3 * 86_400_000 if size is Window.WEEK else 0 for size in SIZES}

#: The size events are counted in; coarser windows are fed when a window of this size closes.
BASE_MS: Final = int(Window.FIVE_MINUTES)


class Scope(IntEnum):
    """What a row aggregates; the value is the scope's byte in state keys.

    The first two are published. ``HELD`` rows hold what a workflow's window may not say by itself and leaves to the next
    coarser one, ``POOLED`` rows what no workflow's week may say and the team's may not either, ``LATE`` rows what came in
    after its week had closed (:mod:`streams.core.closing`).
    """

    WORKFLOW = 1
    TEAM = 2
    HELD = 3
    POOLED = 4
    LATE = 5

    __hash__ = int.__hash__

    @property
    def label(self) -> Literal["workflow", "team"]:
        """The scope as published."""
        return "team" if self is Scope.TEAM else "workflow"


#: The scopes that records are about.
PUBLISHED: Final = (Scope.WORKFLOW, Scope.TEAM)


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

    def approach(self, occurred_at_ms: int, step_ms: int, most_ms: int) -> Iterator[int]:
        """Let the time until an event pass step by step; gives each reading but the last, which :meth:`observe` makes.

        So that what is due in between comes due in its order, however far one event moves the time. After ``most_ms``
        nothing is left that could: from there on it may pass at once.
        """
        if self.newest_ms:
            # From the last border: how far it has passed that depends on how the log was cut into slices.
            start = self.value_ms // BASE_MS * BASE_MS
            end = min(occurred_at_ms - self.lateness_ms, start + most_ms)
            for value_ms in range(start + step_ms, end, step_ms):
                self._raise_to(value_ms)
                yield value_ms

    def idle(self, idle_for_ms: int, now_ms: int) -> None:
        """Let time pass in a partition that has had no record for ``idle_for_ms``."""
        if self.newest_ms:
            self._raise_to(self.idle_until(idle_for_ms, now_ms) - self.lateness_ms)
        self.closing_ms = max(self.closing_ms, now_ms - self.lateness_ms)

    def idle_until(self, idle_for_ms: int, now_ms: int) -> int:
        """The event time up to which :meth:`idle` lets time pass."""
        return min(self.newest_ms + idle_for_ms, max(now_ms, self.newest_ms))

    def _raise_to(self, value_ms: int) -> None:
        self.value_ms = max(self.value_ms, value_ms)
        self.closing_ms = max(self.closing_ms, self.value_ms)
