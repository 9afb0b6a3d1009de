"""The statistics that detectors share: a ratio against its own past and the organisation's, tails, e-processes.

Windows are whole days, and of a length that holds whole weeks wherever the day of the week matters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, lgamma, log, sqrt
from statistics import NormalDist
from typing import Final, cast

import numpy as np

from streams.core.history import DAYS, Days, Feature, History
from streams.core.snapshot import Snapshot

__all__ = [
    "BASELINE_DAYS",
    "Contrast",
    "about",
    "binomial_tail",
    "contrast",
    "e_process",
    "excess",
    "flat",
    "level_change",
    "middle",
    "negative_binomial_tail",
    "normal_score",
    "rank_sum",
    "rarity",
    "tail",
    "usd",
    "wander",
]

#: Days of baseline: four weeks follow growth, and hold each day of the week four times.
BASELINE_DAYS: Final = 28
#: Days between the last window and the baseline of a ratio: what creeps in must not become its own norm.
_GAP: Final = 4
#: Ends of windows from which a level and its spread are taken.
_LEAST_WINDOWS: Final = 8
#: Windows from which an ordinary level of a mean is taken.
_LEAST_LEVELS: Final = 7
#: Ordinary ratios of windows are not known better than this, however quiet the past (natural logarithm).
_FLOOR: Final = 0.12
#: From a median absolute deviation to a standard deviation, of a normal distribution.
_MAD: Final = 1.4826


@dataclass(frozen=True, slots=True)
class Contrast:
    """A ratio of sums in the last days against what was ordinary. ``expected`` has the organisation's movement in it.

    ``z`` is the distance on the logarithmic scale in robust standard deviations, sampling noise included. ``n`` is the
    observed numerator, ``base`` the denominator.
    """

    observed: float
    expected: float
    ratio: float
    z: float
    n: float
    base: float


def middle(values: Days) -> float:
    """The median; numpy's own takes ten times as long on so few numbers."""
    ordered = np.sort(values)
    n = len(ordered)
    return float(ordered[(n - 1) // 2] + ordered[n // 2]) / 2


def wander(values: Days, level: float) -> float:
    """How far values wander from a level: a standard deviation, by the median, which a few of them do not move."""
    return _MAD * middle(np.abs(values - level))


def _windows(days: Days, columns: Sequence[int], span: int) -> Days:
    """Sums over every window of ``span`` days, the newest last."""
    sums = days[:, columns[0]] if len(columns) == 1 else days[:, list(columns)].sum(axis=1)
    running = np.concatenate(([0.0], np.cumsum(sums)))
    return running[span:] - running[:-span]


def _residual(
    history: History, num: Sequence[int], den: Sequence[int] | None, span: int, before: int | None, least: float
) -> tuple[float, float, float, float, float] | None:
    """Logarithms of the last window's ratio and of the ordinary one, the spread, numerator and denominator."""
    tops = _windows(history.days, num, span)
    # Only windows that lie after the first day, and end before the last one begins.
    newest = len(tops) - 1 - span - (_GAP if den is not None else 0)
    if before is not None:
        newest = min(newest, len(tops) - 1 - max(0, history.last - before) - 1)
    oldest = max(0, DAYS - history.age, newest - BASELINE_DAYS + 1)
    # Where weekends matter, only windows of the same days of the week compare.
    step = 1 if span % 7 == 0 else 7
    ends = range(len(tops) - 1 - step * ((len(tops) - 1 - newest + step - 1) // step), oldest - 1, -step)
    if len(ends) < (_LEAST_WINDOWS if step == 1 else 3):
        return None
    index = np.array(ends)
    if den is None:
        bottoms = np.ones(len(tops))
    else:
        bottoms = _windows(history.days, den, span)
    usable = bottoms[index] > 0
    if (den is not None and usable.sum() < len(ends) // 2) or bottoms[-1] <= 0:
        return None
    index = index[usable]
    clean = index[_windows(history.days, [Feature.MARKED], span)[index] == 0]
    if len(clean) >= (_LEAST_WINDOWS if step == 1 else 2):
        index = clean
    # As if half an observation more had been made at the ordinary rate: a window of none is no ratio of zero.
    rate = tops[index].sum() / bottoms[index].sum() if bottoms[index].sum() else 0.0
    if rate <= 0 or tops[index].mean() < least:
        return None
    logs = np.log((tops[index] + 0.5) / (bottoms[index] + 0.5 / rate))
    ordinary = middle(logs)
    spread = wander(logs, ordinary)
    now = log((tops[-1] + 0.5) / (bottoms[-1] + 0.5 / rate))
    return now, ordinary, spread, float(tops[-1]), float(bottoms[-1])


def contrast(
    snapshot: Snapshot, num: Feature | tuple[Feature, ...], den: Feature | tuple[Feature, ...] | None, *, span: int = 7,
    counted: bool = True, floor: float = _FLOOR, least: float = 0.0, relative: bool = True,
) -> Contrast | None:  # fmt: skip
    """The ratio of two sums over the last ``span`` days, against the same windows of the four weeks before.

    ``counted`` numerators are counts, whose sampling noise is taken into account. ``least`` is the least an ordinary
    window's numerator must be. ``relative`` takes out what moved the whole organisation. None where there is too little.
    """
    key = (num, den, span, counted, floor, least, relative)
    if key not in snapshot.memory:
        snapshot.memory[key] = _contrast(snapshot, num, den, span, counted, floor, least, relative)
    return cast("Contrast | None", snapshot.memory[key])


def _contrast(
    snapshot: Snapshot, num: Feature | tuple[Feature, ...], den: Feature | tuple[Feature, ...] | None, span: int,
    counted: bool, floor: float, least: float, relative: bool,
) -> Contrast | None:  # fmt: skip
    tops = tuple([int(it) for it in num] if isinstance(num, tuple) else [int(num)])
    bottoms = None if den is None else tuple([int(it) for it in den] if isinstance(den, tuple) else [int(den)])
    found = _residual(snapshot.history, tops, bottoms, span, snapshot.frozen_from, least)
    if found is None:
        return None
    now, ordinary, spread, n, base = found

    def measure(history: History) -> float | None:
        residual = _residual(history, tops, bottoms, span, None, least)
        return None if residual is None else residual[0] - residual[1]

    shift = snapshot.organisation.shift((tops, bottoms, span, least), measure) if relative else 0.0
    scale = max(spread, floor) ** 2
    if counted:
        scale += 1.0 / max(1.0, n, exp(ordinary + shift) * base)
    distance = now - ordinary - shift
    return Contrast(
        observed=n / base, expected=exp(ordinary + shift), ratio=exp(distance), z=distance / sqrt(scale), n=n, base=base
    )  # fmt: skip


def level_change(
    history: History, total: Feature, count: Feature, *, span: int, least: float, frozen_from: int | None = None
) -> tuple[float, float, float, float] | None:
    """How far a mean of logarithms has moved from its ordinary level, that level, how far it wanders, and of how many.

    ``total`` sums 1,000 times the logarithm over ``count`` observations. Windows of ``span`` days, against those of the four
    weeks before the last one; ``least`` observations are needed in it, a quarter of that in others. None where there is too
    little.
    """
    sums = history.days[:, [total, count]]
    running = np.concatenate((np.zeros((1, 2)), np.cumsum(sums, axis=0)))
    windows = running[span:] - running[:-span]
    newest = len(windows) - 1 - span
    if frozen_from is not None:
        newest = min(newest, len(windows) - 2 - max(0, history.last - frozen_from))
    index = np.arange(max(0, DAYS - history.age, newest - BASELINE_DAYS + 1), newest + 1)
    index = index[windows[index, 1] >= least / 4]
    if len(index) < _LEAST_LEVELS or windows[-1, 1] < least:
        return None
    means = windows[:, 0] / np.maximum(windows[:, 1], 1) / 1000
    level = middle(means[index])
    return float(means[-1]) - level, level, wander(means[index], level), float(windows[-1, 1])


def binomial_tail(hits: int, trials: int, chance: float) -> float:
    """The probability of at least ``hits`` in ``trials``."""
    if hits <= 0:
        return 1.0
    if not 0 < chance < 1:
        return 1.0 if chance >= 1 else 0.0
    terms = [
        exp(
            lgamma(trials + 1) - lgamma(k + 1) - lgamma(trials - k + 1) + k * log(chance) + (trials - k) * log(1 - chance)
        )
        for k in range(hits, trials + 1)
    ]  # fmt: skip
    return min(1.0, sum(terms))


def negative_binomial_tail(n: int, mean: float, dispersion: float = 3.0) -> float:
    """The probability of at most ``n`` events where ``mean`` are expected, with ``dispersion`` times Poisson's variance.

    Counts of outcomes come in bursts: by Poisson's law quiet weeks would look like signs of something.
    """
    if mean <= 0:
        return 1.0
    shape = mean / (dispersion - 1)
    chance = 1 / dispersion
    terms = [
        exp(lgamma(k + shape) - lgamma(shape) - lgamma(k + 1) + shape * log(chance) + k * log(1 - chance))
        for k in range(n + 1)
    ]
    return min(1.0, sum(terms))


def excess(n: int, mean: float, known: float, dispersion: float = 2.0) -> float:
    """The probability of at least ``n`` events where ``mean`` are expected after ``known`` earlier ones.

    Counts have ``dispersion`` times Poisson's variance, and an expectation from few events is itself uncertain: the
    predictive distribution of a Gamma-Poisson model, which is negative binomial.
    """
    if n <= 0 or mean <= 0:
        return 1.0
    shape = 1 / (dispersion / (known + 0.5) + (dispersion - 1) / mean)
    chance = shape / (shape + mean)
    below = sum(
        exp(lgamma(k + shape) - lgamma(shape) - lgamma(k + 1) + shape * log(chance) + k * log(1 - chance))
        for k in range(n)
    )  # fmt: skip
    return min(1.0, max(1e-12, 1 - below))


def e_process(observed: float, expected: float, prior: float = 2.0) -> float:
    """The logarithm of the evidence that a count runs above what is expected, valid whenever one looks.

    A Gamma(2, 2) mixture of Poisson rates: at 1/alpha false alarms are at most alpha for good, however often it is asked.
    Source: Lindon and Malek, "Anytime-valid inference for count data", arXiv 2011.03567.
    """
    a = b = prior
    return a * log(b) - lgamma(a) + lgamma(a + observed) - (a + observed) * log(b + expected) + expected


def flat(found: Contrast | None, most: float = 1.25) -> bool:
    """Whether a ratio has not gone up, as far as its noise lets one tell; what is not known has not."""
    return found is None or found.ratio < most or found.z < 2


def rarity(chance: float, alpha: float) -> float:
    """A chance as a score, 1 where it is ``alpha``: a chance 16 times as small doubles it."""
    return float((alpha / max(chance, 1e-12)) ** 0.25)


def tail(z: float) -> float:
    """The probability that a standard normal variable exceeds ``z``."""
    return 0.5 * erfc(z / sqrt(2))


def rank_sum(values: Days, others: Days) -> float:
    """How much higher values are than others, by their ranks alone, in standard deviations; bursts of a day weigh one day.

    Source: Mann and Whitney, "On a test of whether one of two random variables is stochastically larger", 1947.
    """
    n, m = len(values), len(others)
    if not n or not m:
        return 0.0
    above = float((values[:, None] > others[None, :]).sum() + (values[:, None] == others[None, :]).sum() / 2)
    return (above - n * m / 2) / sqrt(n * m * (n + m + 1) / 12)


def normal_score(chance: float) -> float:
    """The inverse of :func:`tail`: how many standard deviations a normal variable exceeds with that probability."""
    return -NormalDist().inv_cdf(min(max(chance, 1e-12), 1 - 1e-12))


def about(value: float) -> str:
    """A figure as a person reads it, to two digits: exact ones would tell of single people what the record rounds away."""
    return f"{float(f'{value:.2g}'):,.10g}"


def usd(micro_usd: float) -> str:
    """Money as a person reads it, to two digits."""
    amount = micro_usd / 1_000_000
    if amount >= 100:
        digits = len(str(int(amount))) - 2
        return f"${round(amount / 10**digits) * 10**digits:,}"
    return f"${amount:.2g}" if amount < 10 else f"${amount:.0f}"
