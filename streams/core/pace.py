"""What a team with a budget spends, in steps of five minutes, and the pace at which its weeks go."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

__all__ = ["STEP_MS", "WINDOWS", "Pace"]

STEP_MS: Final = 300_000
_STEPS_AN_HOUR: Final = 12
_STEPS_A_DAY: Final = 24 * _STEPS_AN_HOUR
_HOURS: Final = 168
#: The longest window that is looked back to, in steps, and some for what comes late.
_KEPT: Final = 300
#: How far windows that end within a day reach back before it, in steps.
_LOOKED_BACK: Final = 72
#: Of the pace, the part that is the same in each hour: nobody's week is quite like the last.
_UNIFORM: Final = 0.2
#: How much of the profile a new week makes up.
_NEW: Final = 0.3
#: The epoch was a Thursday.
_MONDAY_HOURS: Final = 72
_HOURS_A_MONTH: Final = 730.5
#: Windows whose ordinary cost is learned, in steps: an hour, six, a day.
WINDOWS: Final = (12, 72, 288)
#: Days from which it is learned, and how few are enough.
_DAYS: Final = 28
_LEAST_DAYS: Final = 10
_NOTHING: Final = (0, 0)


class Pace:
    """Spend and calls by step, and the profile of the hours of the week; mutable, owned by one shard.

    ``profile`` are 168 sums of micro-dollars, newer weeks weighing more; Monday's first hour is the first. ``most`` is, for
    each of the last days, the most that an hour, six hours and the whole day cost.
    """

    __slots__ = ("_hourly", "_ordinary", "changed", "most", "profile", "steps", "touched")

    def __init__(self, numbers: Sequence[int] = ()) -> None:
        self.steps: dict[int, tuple[int, int]] = {}
        self.profile: list[int] = list(numbers[:_HOURS]) or [0] * _HOURS
        self.most: list[tuple[int, int, int]] = [
            (numbers[at], numbers[at + 1], numbers[at + 2]) for at in range(_HOURS, len(numbers), 3)
        ]
        self.touched: set[int] = set()
        self.changed = False
        self._hourly: list[float] = []
        self._ordinary: dict[int, int] = {}

    def count(self, step: int, spend: int, calls: int) -> None:
        """Count spend and calls of a step."""
        known = self.steps.get(step, (0, 0))
        self.steps[step] = known[0] + spend, known[1] + calls
        self.touched.add(step)

    def spent(self, step: int, steps: int) -> tuple[int, int]:
        """Spend and calls of the last ``steps`` up to and with ``step``."""
        spend = calls = 0
        get = self.steps.get
        for at in range(step - steps + 1, step + 1):
            found = get(at)
            if found is not None:
                spend += found[0]
                calls += found[1]
        return spend, calls

    def between(self, start: int, end: int) -> list[int]:
        """The steps from ``start`` up to ``end`` in which anything was spent, in order; mostly that is one or none."""
        few = range(start, end) if end - start <= len(self.steps) else sorted(self.steps)
        return [step for step in few if start <= step < end and step in self.steps]

    def expected(self, budget: int, step: int, steps: int) -> float:
        """What the pace of a monthly budget makes of the last ``steps`` steps."""
        weights = self._weights()
        hours: dict[int, int] = {}
        for at in range(step - steps + 1, step + 1):
            hour = at // _STEPS_AN_HOUR
            hours[hour] = hours.get(hour, 0) + 1
        share = sum(weights[(hour + _MONDAY_HOURS) % _HOURS] * n / _STEPS_AN_HOUR for hour, n in hours.items())
        return budget / _HOURS_A_MONTH * share

    def _weights(self) -> list[float]:
        """Of each hour of the week, its pace over that of a uniform week."""
        if not self._hourly:
            whole = sum(self.profile)
            flat = [1.0] * _HOURS
            if whole:
                flat = [_UNIFORM + (1 - _UNIFORM) * value * _HOURS / whole for value in self.profile]
            self._hourly = flat
        return self._hourly

    def learn(self, day: int) -> None:
        """Take a day into the profile, by its steps."""
        start = day * _STEPS_A_DAY
        sums = self._running(start - _LOOKED_BACK, start + _STEPS_A_DAY)
        for hour in range(24):
            step = _LOOKED_BACK + hour * _STEPS_AN_HOUR
            spend = sums[step + _STEPS_AN_HOUR] - sums[step]
            at = (day * 24 + hour + _MONDAY_HOURS) % _HOURS
            self.profile[at] = round(_NEW * spend + (1 - _NEW) * self.profile[at])
        self.most.append(tuple(_most_of(sums, steps) for steps in WINDOWS))  # type: ignore[arg-type]
        del self.most[:-_DAYS]
        self._hourly = []
        self._ordinary = {}
        self.changed = True

    def _running(self, start: int, end: int) -> list[int]:
        """Running sums of what was spent from the step ``start`` up to ``end``: 0 first, then one for each step."""
        get = self.steps.get
        return list(accumulate((get(step, _NOTHING)[0] for step in range(start, end)), initial=0))

    def ordinary(self, steps: int) -> int | None:
        """The most that a window of ordinary days costs, the one dearest day left out; None where there are too few days."""
        if len(self.most) < _LEAST_DAYS:
            return None
        if not self._ordinary:
            self._ordinary = {window: sorted(it[place] for it in self.most)[-2] for place, window in enumerate(WINDOWS)}
        return self._ordinary[steps]

    @property
    def numbers(self) -> tuple[int, ...]:
        """What is learned, as numbers."""
        return (*self.profile, *(number for day in self.most for number in day))

    def forget(self, step: int, day: int) -> list[int]:
        """Forget steps that no window reaches back to from ``step``, nor from the day ``day`` that is learned next; gives them back.

        When that is asked must not show: what any later verdict reads is kept.
        """
        before = min(step - _KEPT, day * 24 * _STEPS_AN_HOUR - _LOOKED_BACK)
        gone = [at for at in self.steps if at < before]
        for at in gone:
            del self.steps[at]
            self.touched.discard(at)
        return gone


def _most_of(sums: Sequence[int], steps: int) -> int:
    """The most that a window cost that ends within a day, by the running sums of it and of what is looked back to."""
    ends = range(_STEPS_AN_HOUR - 1, _STEPS_A_DAY, _STEPS_AN_HOUR // 2)
    lasts = [_LOOKED_BACK + end + 1 for end in ends if steps <= _LOOKED_BACK or end >= steps - 1]
    return max(sums[last] - sums[last - steps] for last in lasts)
