"""What is kept of the people of a team when a week is over: how they spread, never who they are."""

from collections.abc import Sequence
from math import log
from statistics import median
from typing import Final

from streams.core.snapshot import Regular, Week
from streams.core.watches import Stint

__all__ = ["BRIEF_CALLS", "STEPS", "gini", "madm", "merged", "near", "regular", "spread"]

#: At most so many calls on one single day are a touch, not work.
BRIEF_CALLS: Final = 3
#: Steps of the histogram around a target, half of them below it.
STEPS: Final = 16
_STEP: Final = 0.1
#: From so many gaps on, clocks are told from people at a false rate of 0.1 %, with the limits below (measured on bursty
#: and on Poisson beginnings).
LEAST_GAPS: Final = 24
LEAST_MADM: Final = 0.74
MOST_CV: Final = 0.53


def near(totals: Sequence[int], target: int | None) -> tuple[int, ...]:
    """How many lie in each step around a target; empty without one."""
    if not target:
        return ()
    counts = [0] * STEPS
    for total in totals:
        if total > 0:
            step = int((log(total / target) + STEPS * _STEP / 2) // _STEP)
            if 0 <= step < STEPS:
                counts[step] += 1
    return tuple(counts)


def gini(values: Sequence[int]) -> float:
    """The Gini coefficient, corrected by n / (n - 1): uncorrected it is low for small groups."""
    ordered = sorted(values)
    n, whole = len(ordered), sum(ordered)
    if n < 2 or not whole:
        return 0.0
    weighted = sum((2 * rank - n - 1) * value for rank, value in enumerate(ordered, start=1))
    return weighted / (n * whole) * n / (n - 1)


def spread(number: int, people: dict[int, Stint], targets: tuple[int | None, int | None]) -> Week:
    """The shapes of one week. ``people`` are whole weeks of people, ``targets`` in tokens and in calls."""
    tokens = sorted(stint.tokens for stint in people.values())
    n = len(tokens)
    if not n:
        return Week(number, 0)
    whole = sum(tokens) or 1
    upper, fifth = max(2, n // 10), max(1, n // 5)
    brief = [stint for stint in people.values() if stint.calls <= BRIEF_CALLS and stint.days.bit_count() == 1]
    together = max((sum(stint.days == 1 << day for stint in brief) for day in range(7)), default=0)
    return Week(
        number, n,
        near_tokens=near(tokens, targets[0]),
        near_events=near([stint.calls for stint in people.values()], targets[1]),
        gini=gini(tokens),
        leaders=log(1 + sum(tokens[-upper:]) / len(tokens[-upper:])),
        median=log(1 + median(tokens)),
        top_share=sum(tokens[-fifth:]) / whole,
        brief=len(brief),
        brief_together=together,
    )  # fmt: skip


def madm(gaps: Sequence[int]) -> tuple[float, float, int]:
    """How regular gaps are: 1 less their median deviation over their median, their coefficient of variation, the median.

    Source: activecm/rita, beacon analysis, for the statistic; the limits are from simulation.
    """
    middle = median(gaps)
    if middle <= 0:
        return 0.0, float("inf"), 0
    deviation = median(abs(gap - middle) for gap in gaps)
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    return 1 - deviation / middle, variance**0.5 / mean, int(middle)


def regular(stints: dict[int, Stint]) -> Regular:
    """What of a workflow's week begins by the clock."""
    starts = streams = calls = spend = output = 0
    seconds, best = 0, 0.0
    for _, stint in sorted(stints.items()):
        if len(stint.gaps) < LEAST_GAPS:
            continue
        regularity, variation, gap = madm(stint.gaps)
        if regularity >= LEAST_MADM and variation <= MOST_CV:
            streams += 1
            starts, calls, spend = starts + stint.starts, calls + stint.calls, spend + stint.spend
            output += stint.output
            if regularity > best:
                best, seconds = regularity, gap
    return Regular(starts, streams, calls, spend, output, seconds, round(1000 * best))


def merged(parts: Sequence[dict[int, Stint]]) -> dict[int, Stint]:
    """The people of several workflows, each once; machines are nobody."""
    people: dict[int, Stint] = {}
    for stints in parts:
        for actor, stint in stints.items():
            if not actor:
                continue
            whole = people.get(actor)
            if whole is None:
                whole = people[actor] = Stint()
            whole.calls += stint.calls
            whole.tokens += stint.tokens
            whole.spend += stint.spend
            whole.days |= stint.days
    return people
