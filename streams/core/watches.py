"""Stage *watch*: what detectors need to know of each call, summed up by workflow and day while calls are counted.

One :class:`Watch` a workflow holds the days that are not judged yet, and one :class:`Stint` a person and week what that
person's calls in the workflow look like. Stints are of one ISO week, as pseudonyms are, and go when it is over.
"""

from math import log
from typing import Final

from streams.core import keys
from streams.core.history import FEATURES, Feature
from streams.core.pseudonyms import iso_week
from streams.core.varint import read_longs, write_longs

__all__ = ["GAPS", "Stint", "Watch"]

#: Gaps between beginnings of work that are kept: at 24 a schedule is told from a person at a false rate of 0.1 %.
GAPS: Final = 48
_VERSION: Final = 1
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
#: A call without a run begins new work after so long a silence.
_SILENCE_MS: Final = 600_000
_CALLS: Final = int(Feature.CALLS)
_SPEND: Final = int(Feature.SPEND)
_PRICED: Final = int(Feature.PRICED)
_INPUT: Final = int(Feature.INPUT)
_CACHE_READ: Final = int(Feature.CACHE_READ)
_OUTPUT: Final = int(Feature.OUTPUT)
_FAILED: Final = int(Feature.FAILED)
_FAILED_SPEND: Final = int(Feature.FAILED_SPEND)
_FINGERPRINTED: Final = int(Feature.FINGERPRINTED)
_REPEATS: Final = int(Feature.REPEATS)
_REPEAT_SPEND: Final = int(Feature.REPEAT_SPEND)
_WITH_RUN: Final = int(Feature.WITH_RUN)
_ATTRIBUTED: Final = int(Feature.ATTRIBUTED)
_MACHINE: Final = int(Feature.MACHINE)
_UNPRICED: Final = int(Feature.UNPRICED)
_FREE: Final = int(Feature.FREE)
_REPORTED: Final = int(Feature.REPORTED)
_COMPUTED: Final = int(Feature.COMPUTED)
_LOG_RATIO: Final = int(Feature.LOG_RATIO)
_STARTS: Final = int(Feature.STARTS)
_BUSIEST: Final = int(Feature.BUSIEST_HOUR)
_DEAREST: Final = int(Feature.DEAREST_RUN)


class Stint:
    """What one person, or for actor 0 all machines, did in one workflow in one ISO week.

    ``days`` has a bit for each day of the week. ``gaps`` are the last times in seconds between beginnings of work: of
    runs, and of calls that name none and come after a silence. ``began_ms`` is when work began last, ``last_ms`` when
    there was a call last.
    """

    __slots__ = ("began_ms", "calls", "days", "gaps", "last_ms", "output", "spend", "starts", "tokens", "touched")

    def __init__(self) -> None:
        self.calls = 0
        self.tokens = 0
        self.output = 0
        self.spend = 0
        self.starts = 0
        self.days = 0
        self.began_ms = 0
        self.last_ms = 0
        self.gaps: list[int] = []
        self.touched = False

    def begin(self, at_ms: int) -> None:
        """Work began."""
        self.starts += 1
        if self.began_ms:
            gap = at_ms - self.began_ms
            self.gaps.append(gap // 1000 if gap > 0 else 0)
            if len(self.gaps) > GAPS:
                del self.gaps[0]
        if at_ms > self.began_ms:
            self.began_ms = at_ms

    def encode(self) -> bytes:
        """The stint as bytes."""
        head = (
            _VERSION,
            self.calls,
            self.tokens,
            self.output,
            self.spend,
            self.starts,
            self.days,
            self.began_ms,
            self.last_ms,
        )
        return write_longs((*head, *self.gaps))

    @classmethod
    def decode(cls, data: bytes) -> "Stint":
        """The inverse of :meth:`encode`. Raises ValueError on an unknown version."""
        numbers = read_longs(data)
        if numbers[0] != _VERSION:
            raise ValueError(f"stint codec version {numbers[0]}, expected {_VERSION}")
        stint = cls()
        stint.calls, stint.tokens, stint.output, stint.spend = numbers[1], numbers[2], numbers[3], numbers[4]
        stint.starts, stint.days, stint.began_ms, stint.last_ms = numbers[5], numbers[6], numbers[7], numbers[8]
        stint.gaps = numbers[9:]
        return stint


class Watch:
    """One workflow of one team.

    ``open`` are the counts of days that are not judged yet. ``stints`` are by week and pseudonym. ``typical_hour`` is
    what the busiest hours of the last four weeks cost in micro-dollars, ``typical_run`` what a run costs and
    ``dearest_run`` what the dearest ones did; -1 as long as nobody can say. ``last_regular`` is what began by the clock in the week before (:class:`streams.core.snapshot.Regular`), as numbers.
    ``number`` names the workflow in the state, ``over`` says that it is to be forgotten.
    """

    __slots__ = (
        "_counts",
        "_day",
        "_week",
        "_week_stints",
        "before_hour_spend",
        "dearest_run",
        "hour",
        "hour_spend",
        "last_hour_spend",
        "last_regular",
        "number",
        "open",
        "over",
        "stints",
        "team",
        "touched",
        "touched_stints",
        "typical_hour",
        "typical_run",
        "workflow",
    )  # fmt: skip

    def __init__(self, team: str, workflow: str, number: int) -> None:
        self.team = team
        self.workflow = workflow
        self.number = number
        self.open: dict[int, list[int]] = {}
        self.stints: dict[int, dict[int, Stint]] = {}
        self.hour = 0
        self.hour_spend = 0
        self.last_hour_spend = 0
        self.before_hour_spend = 0
        self.typical_hour = -1
        self.typical_run = -1
        self.dearest_run = -1
        self.last_regular: tuple[int, ...] = ()
        self.touched = False
        self.over = False
        self.touched_stints: dict[tuple[int, int], Stint] = {}
        self._day = -1
        self._counts: list[int] = []
        self._week = -1
        self._week_stints: dict[int, Stint] = {}

    def of_day(self, day: int) -> list[int]:
        """The counts of a day, by :class:`Feature`."""
        counts = self.open.get(day)
        if counts is None:
            counts = self.open[day] = [0] * FEATURES
        return counts

    def forget_day(self, day: int) -> list[int]:
        """Take out the counts of a day."""
        if day == self._day:
            self._day = -1
        return self.open.pop(day)

    def count(  # noqa: PLR0912  (one pass over what a call says)
        self, at: int, prompt: int, read: int, output: int, cost: int, reported: int, computed: int, in_vain: bool,
        actor: int, machine: bool, with_run: bool, begins: bool, repeat: int, run_spend: int,
    ) -> None:  # fmt: skip
        """Count one call.

        ``prompt`` are input tokens of all kinds. ``cost``, ``reported`` and ``computed`` are -1 where they are not known.
        ``begins`` is for the first call of a run. ``repeat`` is -1 for a call without a fingerprint, 1 for one that repeats what was there before, else 0;
        ``run_spend`` is what its run cost by now.
        """
        day = at // _DAY_MS
        if day != self._day:
            self._counts = self.of_day(day)
            self._day = day
            self._week = iso_week(at)
            # Stints go when their week is judged, and take the day with them.
            self._week_stints = self.stints.setdefault(self._week, {})
        counts = self._counts
        counts[_CALLS] += 1
        counts[_INPUT] += prompt
        counts[_OUTPUT] += output
        if read:
            counts[_CACHE_READ] += read
        if cost > 0:
            counts[_SPEND] += cost
            counts[_PRICED] += 1
            self._spend(at, cost, counts)
        elif cost == 0:
            counts[_PRICED] += 1
            if prompt + output:
                counts[_FREE] += 1
        elif prompt + output:
            counts[_UNPRICED] += 1
        if reported >= 0 and computed >= 0:
            counts[_REPORTED] += reported
            counts[_COMPUTED] += computed
        if in_vain:
            counts[_FAILED] += 1
            if cost > 0:
                counts[_FAILED_SPEND] += cost
        if repeat >= 0:
            counts[_FINGERPRINTED] += 1
            if repeat:
                counts[_REPEATS] += 1
                if cost > 0:
                    counts[_REPEAT_SPEND] += cost
        if with_run:
            counts[_WITH_RUN] += 1
            if run_spend > counts[_DEAREST]:
                counts[_DEAREST] = run_spend
        if machine:
            counts[_MACHINE] += 1
        counts[_LOG_RATIO] += int(1000.0 * log((prompt + 1) / (output + 1)))
        if actor:
            counts[_ATTRIBUTED] += 1
        stint = self._week_stints.get(actor)
        if stint is None:
            stint = self._week_stints[actor] = Stint()
        stint.calls += 1
        stint.tokens += prompt + output
        stint.output += output
        if cost > 0:
            stint.spend += cost
        stint.days |= 1 << ((day + 3) % 7)
        if begins or (not with_run and at - stint.last_ms >= _SILENCE_MS):
            counts[_STARTS] += 1
            stint.begin(at)
        if at > stint.last_ms:
            stint.last_ms = at
        if not stint.touched:
            stint.touched = True
            self.touched_stints[self._week, actor] = stint

    def _spend(self, at: int, cost: int, counts: list[int]) -> None:
        hour = at // _HOUR_MS
        if hour > self.hour:
            step = hour - self.hour
            self.before_hour_spend = self.last_hour_spend if step == 1 else self.hour_spend if step == 2 else 0
            self.last_hour_spend = self.hour_spend if step == 1 else 0
            self.hour_spend = 0
            self.hour = hour
        if hour == self.hour:
            self.hour_spend += cost
            if self.hour_spend > counts[_BUSIEST]:
                counts[_BUSIEST] = self.hour_spend
        elif hour == self.hour - 1:
            self.last_hour_spend += cost

    def encode(self) -> bytes:
        """The watch as bytes, but for its stints."""
        numbers: list[int] = [
            _VERSION, self.hour, self.hour_spend, self.last_hour_spend, self.before_hour_spend, self.typical_hour, self.typical_run,
            self.dearest_run, len(self.last_regular), *self.last_regular,
        ]  # fmt: skip
        for day, counts in self.open.items():
            numbers.append(day)
            numbers.append(len(counts))
            numbers += counts
        return write_longs(tuple(numbers))

    @classmethod
    def decode(cls, team: str, workflow: str, number: int, data: bytes) -> "Watch":
        """The inverse of :meth:`encode`. Raises ValueError on an unknown version."""
        numbers = read_longs(data)
        if numbers[0] != _VERSION:
            raise ValueError(f"watch codec version {numbers[0]}, expected {_VERSION}")
        watch = cls(team, workflow, number)
        watch.hour, watch.hour_spend, watch.last_hour_spend, watch.before_hour_spend = numbers[1:5]
        watch.typical_hour, watch.typical_run, watch.dearest_run = numbers[5:8]
        at = 9 + numbers[8]
        watch.last_regular = tuple(numbers[9:at])
        while at < len(numbers):
            day, size = numbers[at], numbers[at + 1]
            counts = watch.of_day(day)
            counts[:size] = numbers[at + 2 : at + 2 + size]
            at += 2 + size
        return watch

    def drain(self, writes: dict[bytes, bytes | None]) -> None:
        """Write what changed."""
        self.touched = False
        place = self.number.to_bytes(8, "big")
        writes[keys.WATCH + f"{self.team}\0{self.workflow}".encode()] = None if self.over else self.encode()
        for (week, actor), stint in self.touched_stints.items():
            stint.touched = False
            writes[keys.STINT + week.to_bytes(4, "big") + place + actor.to_bytes(8, "big")] = stint.encode()
        self.touched_stints = {}
