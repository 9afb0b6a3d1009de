"""What detectors read of a scope: one row of sums a day, for ten weeks.

Sums of integers held as 64-bit floats (exact below 2**53), so that windows of any length are differences of running
totals. A history forgets days beyond its length, and holds nothing of any person.
"""

import struct
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["DAYS", "FEATURES", "Days", "Feature", "History"]

#: Days that are kept: eight weeks of baseline before the two weeks in question.
DAYS: Final = 70
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BHqH")

Days = npt.NDArray[np.float64]


class Feature(IntEnum):
    """A column: what is summed up each day. Money is in micro-dollars; columns are only ever added at the end."""

    CALLS = 0
    SPEND = 1
    PRICED = 2
    """Calls with a known cost."""
    INPUT = 3
    """Input tokens of all kinds, cache reads and writes included."""
    CACHE_READ = 4
    OUTPUT = 5
    FAILED = 6
    """Calls that failed, were cancelled, or tried again what had failed."""
    FAILED_SPEND = 7
    FINGERPRINTED = 8
    """Calls with a fingerprint of their prompt."""
    REPEATS = 9
    """Those whose fingerprint, or one close to it, had been seen in the workflow on that day or the one before."""
    REPEAT_SPEND = 10
    WITH_RUN = 11
    ATTRIBUTED = 12
    """Calls that concern a person."""
    MACHINE = 13
    """Calls that a schedule or a build set off."""
    UNPRICED = 14
    """Calls with tokens and no known cost."""
    FREE = 15
    """Calls with tokens and a cost of zero."""
    REPORTED = 16
    """Reported costs of calls that have a computed one, too."""
    COMPUTED = 17
    LOG_RATIO = 18
    """Sum over calls of 1,000 times the natural logarithm of input over output tokens."""
    STARTS = 19
    """Runs that began, and calls without a run that came after a silence."""
    BUSIEST_HOUR = 20
    """Spend of the hour of most spend; a maximum."""
    OUTCOMES = 21
    ACCEPTED = 22
    REJECTED = 23
    REVERSED = 24
    DEFECTS = 25
    INCIDENTS = 26
    CHANGES = 27
    """Changes merged."""
    SIZED = 28
    """Those of which the size is known."""
    LOG_SIZE = 29
    """Sum over them of 1,000 times the natural logarithm of lines changed."""
    REVIEWABLE = 30
    """Changes of which it is known whether anybody reviewed them."""
    UNREVIEWED = 31
    """Those that nobody but their author looked at."""
    REOPENED = 32
    EVALS = 33
    EVALS_PASSED = 34
    CYCLES = 35
    """Outcomes with a cycle time."""
    LOG_CYCLE = 36
    """Sum over them of 1,000 times the natural logarithm of milliseconds."""
    COLLISIONS = 37
    """Events whose id had been seen, or whose request another source told differently."""
    COHORT_RUNS = 38
    """Mature runs, by the day on which they began."""
    COHORT_SPEND = 39
    ORPHAN_RUNS = 40
    ORPHAN_SPEND = 41
    PEOPLE = 42
    """Different people at work: a column that is no sum over workflows."""
    DEAREST_RUN = 43
    """Spend of the run of most spend; a maximum."""
    MARKED = 44
    """Not 0 on days on which an alert about the scope fired: they are no baseline."""


FEATURES: Final = len(Feature)
_MAXIMA: Final = [Feature.BUSIEST_HOUR, Feature.DEAREST_RUN]


class History:
    """A scope's last :data:`DAYS` days; ``days[-1]`` is the day ``last``, days before the first event are zeros.

    ``first`` is the first day with anything, None as long as there is none.
    """

    __slots__ = ("days", "first", "last")

    def __init__(self, last: int, days: Days | None = None, first: int | None = None) -> None:
        self.last = last
        self.days: Days = np.zeros((DAYS, FEATURES)) if days is None else days
        self.first = first

    def advance(self, last: int) -> None:
        """Let days pass, up to ``last``."""
        step = last - self.last
        if step > 0:
            self.days[: max(0, DAYS - step)] = self.days[min(step, DAYS) :].copy()
            self.days[max(0, DAYS - step) :] = 0
            self.last = last

    def add(self, day: int, counts: list[int]) -> None:
        """Add a day's counts; those of forgotten days are passed over."""
        index = DAYS - 1 - (self.last - day)
        if not 0 <= index < DAYS:
            return
        row = np.array(counts, np.float64)
        most = np.maximum(row, self.days[index])
        self.days[index] += row
        self.days[index, _MAXIMA] = most[_MAXIMA]
        self.first = day if self.first is None else min(self.first, day)

    @property
    def age(self) -> int:
        """Days from the first one with anything to the last, at most :data:`DAYS`; 0 if there is none."""
        return 0 if self.first is None else min(DAYS, self.last - self.first + 1)

    def encode(self) -> bytes:
        """The history as bytes; days of nothing at its beginning take no room."""
        used = np.flatnonzero(self.days.any(axis=1))
        kept = self.days[used[0] :] if len(used) else self.days[:0]
        columns = np.flatnonzero(kept.any(axis=0))
        head = _HEAD.pack(_VERSION, len(kept), self.last, len(columns))
        first = b"" if self.first is None else self.first.to_bytes(8, "little", signed=True)
        return head + bytes(columns.astype(np.uint8)) + kept[:, columns].astype("<f8").tobytes() + first

    @classmethod
    def decode(cls, data: bytes) -> "History":
        """The inverse of :meth:`encode`. Raises ValueError on an unknown version."""
        version, rows, last, width = _HEAD.unpack_from(data)
        if version != _VERSION:
            raise ValueError(f"history codec version {version}, expected {_VERSION}")
        start = _HEAD.size + width
        end = start + rows * width * 8
        days = np.zeros((DAYS, FEATURES))
        if rows:
            columns = np.frombuffer(data, np.uint8, width, _HEAD.size)
            days[DAYS - rows :, columns] = np.frombuffer(data, "<f8", rows * width, start).reshape(rows, width)
        return cls(last, days, int.from_bytes(data[end:], "little", signed=True) if len(data) > end else None)


def total(histories: list[History], last: int) -> History:
    """The sum over the workflows of a team."""
    whole = History(last)
    for history in histories:
        history.advance(last)
        whole.days += history.days
        if history.first is not None:
            whole.first = history.first if whole.first is None else min(whole.first, history.first)
    return whole
