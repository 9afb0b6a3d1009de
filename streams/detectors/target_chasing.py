"""Target chasing: people stop just above a number that somebody set, or the end of the week makes up for the rest.

A caliper test: of the member-weeks within 10 % of a target, how many lie just above it, against what the slope of the
counts around it lets expect (fitted on 10 to 40 % to either side, the hole left out). Half and half would be wrong where the
density rises, as it does at a low target. Needs ten member-weeks in the caliper. The second signal is that outcomes are flat.

Source: Saez 2010 and Kleven 2016 on bunching; the caliper test of Gerber and Malhotra 2008; Marx 2018 on why the donut.
"""

from math import exp, sqrt
from typing import Final

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import Feature
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import binomial_tail, contrast, flat, rarity

__all__ = ["DETECTOR", "caliper"]

_MIN_SAMPLE: Final = 10
_ALPHA: Final = 0.003
#: The first step above the target.
_ABOVE: Final = 8


def caliper(counts: list[int]) -> tuple[int, int, float, float]:
    """Member-weeks just above and just below a target, the share expected above, and the chance of so many."""
    above, below = counts[_ABOVE], counts[_ABOVE - 1]
    left = sum(counts[_ABOVE - 4 : _ABOVE - 1])
    right = sum(counts[_ABOVE + 1 : _ABOVE + 4])
    # The donut's two halves lie 0.5 apart, the caliper's 0.1: a fifth of the slope, and a standard error on top.
    slope = 2 * (right - left) / max(1, left + right)
    error = 2 / sqrt(max(1, left + right))
    growth = exp(min(1.0, max(0.0, (slope + error) / 5 * 1.0)))
    chance = growth / (1 + growth)
    return above, below, chance, binomial_tail(above, above + below, chance)


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one team at the end of a week."""
    weeks = snapshot.weeks
    if not weeks:
        return Insufficient(0, _MIN_SAMPLE)
    best: tuple[float, int, int, float, str, int] | None = None
    most = 0
    for kind in ("near_tokens", "near_events"):
        for back in (1, 2, 3):
            if len(weeks) < back:
                continue
            shapes = [getattr(week, kind) for week in weeks[-back:] if getattr(week, kind)]
            if len(shapes) < back:
                continue
            counts = [sum(column) for column in zip(*shapes, strict=True)]
            above, below, expected, chance = caliper(counts)
            most = max(most, above + below)
            if above + below >= _MIN_SAMPLE and (best is None or chance < best[0]):
                best = chance, above, below, expected, kind, back
    if best is None:
        return Insufficient(most, _MIN_SAMPLE)
    chance, above, below, share, kind, back = best
    observed = above / (above + below)
    outcomes = contrast(snapshot, Feature.ACCEPTED, None)
    score = min(2.0, rarity(chance, params.alpha or _ALPHA), observed / 0.7, 2.0 if flat(outcomes) else 0.5)
    if score < 1:
        return Clear(max(0.0, score))
    spend = snapshot.recent(Feature.SPEND, 7 * back)
    return Finding(
        score=score, chance=chance, days=7 * back, observed=observed, expected=share, sample_size=above + below,
        money_micro_usd=int(spend * 0.1),
        evidence={"chance": chance, "weeks": back, "target_is_tokens": float(kind == "near_tokens")},
        summary=(
            f"Of the weeks of members that end near the target of {'tokens' if kind == 'near_tokens' else 'calls'}, "
            f"{observed:.0%} lie just above it where {share:.0%} is to be expected; outcomes are flat."
        ),
    )  # fmt: skip


DETECTOR: Final = Detector(
    name="target_chasing",
    family="gaming",
    rule="weeks of members just above a target, against the slope around it, with outcomes flat",
    silent="as many just below the target as just above it",
    benign_causes=("a quota that resets every week", "the end of a sprint", "a hard limit just above the target"),
    next_step="Drop the target; ask what it was meant to bring about.",
    min_sample=_MIN_SAMPLE,
    detect=detect,
    persistence=(1, 1),
    weekly=True,
    group=10,
    workflow=False,
    after_days=7,
)
