"""Confidence intervals of what is reported: few seeds prove little, and the figures must say so."""

import math
from collections.abc import Sequence
from random import Random
from statistics import quantiles

__all__ = ["bootstrap_ratio", "wilson"]


def wilson(hits: int, trials: int, z: float = 1.959964) -> tuple[float, float] | None:
    """Wilson's score interval of a share (Wilson, JASA 22, 1927), at 95 %; None without trials."""
    if trials == 0:
        return None
    share, squared = hits / trials, z * z
    centre = share + squared / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + squared / (4 * trials * trials))
    scale = 1 + squared / trials
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def bootstrap_ratio(
    pairs: Sequence[tuple[float, float]], rng: Random, times: int = 2_000
) -> tuple[float, float] | None:
    """Percentile bootstrap of sum over sum, resampling whole seeds, as alerts of one company are not independent.

    None where fewer than two seeds, or a denominator of nothing, leave it open.
    """
    if len(pairs) < 2 or sum(below for _, below in pairs) <= 0:
        return None
    ratios = []
    for _ in range(times):
        drawn = rng.choices(pairs, k=len(pairs))
        below = sum(each for _, each in drawn)
        if below > 0:
            ratios.append(sum(above for above, _ in drawn) / below)
    cuts = quantiles(ratios, n=40, method="inclusive")
    return cuts[0], cuts[-1]
