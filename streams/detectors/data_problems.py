"""Data problems: figures that are wrong, or missing, not spend that is.

Coverage that changes: calls without a price, or at a price of nothing, without a run, without a person; reported and computed
costs that part; ids that collide; telemetry that falls silent. The last two days against every two days of the four weeks
before, so that what a team's weekends are like is known. Days of less than half the usual volume say nothing. Needs 60 calls.

Source: Kitchenham and Pfleeger, "Principles of survey research", part 6, on missing data; the rule of extremes is that of a
Shewhart chart.
"""

from typing import Final

import numpy as np

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import Days, Feature
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import about, middle

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 60
_SPAN: Final = 2
_SILENT: Final = 3
_BASELINE: Final = 28
#: How far a share must have moved from what it was on the whole, and from the most extreme days.
_MOVED: Final = 0.12
_BEYOND: Final = 0.06
#: How far the ratio of reported to computed cost must have moved, as a logarithm.
_PARTED: Final = 0.13

_SHARES: Final = (
    ("unpriced", Feature.UNPRICED, 1, "of calls have no price"),
    ("free", Feature.FREE, 1, "of calls cost nothing, though they have tokens"),
    ("collisions", Feature.COLLISIONS, 1, "of calls come under an id that was taken"),
    ("without_run", Feature.WITH_RUN, -1, "of calls name a run"),
)


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one team."""
    silent = _silent(snapshot)
    if silent is not None:
        return silent
    days, age = snapshot.days, snapshot.history.age
    end = len(days) - _SPAN
    if snapshot.frozen_from is not None:
        end = min(end, len(days) - 1 - max(0, snapshot.history.last - snapshot.frozen_from))
    start = max(len(days) - age, end - _BASELINE)
    before, now = days[start:end], days[-_SPAN:]
    calls = now[:, Feature.CALLS].sum()
    volume = _pairs(before[:, Feature.CALLS])
    if calls < _MIN_SAMPLE or len(volume) < 6 or calls < 0.4 * middle(volume):
        return Insufficient(int(calls), _MIN_SAMPLE)
    signs: dict[str, tuple[float, float, float, str]] = {}
    for name, feature, sign, words in _SHARES:
        signs[name] = *_moved(before, now, feature, sign), words
    parted = _parted(before, now)
    if parted is not None:
        signs["parted"] = *parted, "is the ratio of reported to computed cost"
    best = max(signs, key=lambda name: signs[name][0])
    score, observed, expected, words = signs[best]
    if score < 1:
        return Clear(max(0.0, score))
    said = f"{observed:.2f} {words} where {expected:.2f} is ordinary."
    if best != "parted":
        said = f"{observed:.0%} {words} where {expected:.0%} is ordinary."
    return Finding(
        score=min(score, 3.0), days=_SPAN, observed=observed, expected=expected, sample_size=int(calls),
        money_micro_usd=int(now[:, Feature.SPEND].sum()),
        evidence={f"sign_{name}": value[0] for name, value in signs.items()}, summary=said,
    )  # fmt: skip


def _pairs(values: Days) -> Days:
    """Sums of neighbouring days."""
    return values[1:] + values[:-1]


def _moved(before: Days, now: Days, feature: Feature, sign: int) -> tuple[float, float, float]:
    """How far a share of calls has moved to the bad side, what it is, and what it was."""
    tops, bottoms = _pairs(before[:, feature]), _pairs(before[:, Feature.CALLS])
    usual = bottoms >= max(_MIN_SAMPLE / 2, 0.4 * middle(bottoms))
    if not usual.any():
        return 0.0, 0.0, 0.0
    shares = tops[usual] / bottoms[usual]
    ordinary = float(before[:, feature].sum() / max(1.0, before[:, Feature.CALLS].sum()))
    # One heavy run on one day is no change: the lesser of the two days counts.
    each = now[:, feature] / np.maximum(now[:, Feature.CALLS], 1.0)
    observed = float(each.min() if sign > 0 else each.max())
    extreme = float(shares.max() if sign > 0 else shares.min())
    score = min(sign * (observed - ordinary) / _MOVED, sign * (observed - extreme) / _BEYOND)
    return score, observed, ordinary


def _parted(before: Days, now: Days) -> tuple[float, float, float] | None:
    """How far reported and computed costs part, beyond what they did on any days before."""
    reported, computed = _pairs(before[:, Feature.REPORTED]), _pairs(before[:, Feature.COMPUTED])
    known = computed > 0
    if known.sum() < 6 or now[:, Feature.COMPUTED].min() <= 0 or now[:, Feature.REPORTED].min() <= 0:
        return None
    ratios = np.log(np.maximum(reported[known], 1.0) / computed[known])
    ordinary = middle(ratios)
    each = np.log(now[:, Feature.REPORTED] / now[:, Feature.COMPUTED])
    nearest = float(each[np.argmin(np.abs(each - ordinary))])
    beyond = max(nearest - float(ratios.max()), float(ratios.min()) - nearest)
    score = min(abs(nearest - ordinary) / _PARTED, beyond / (_PARTED / 3))
    return score, float(np.exp(nearest)), float(np.exp(ordinary))


def _silent(snapshot: Snapshot) -> Finding | None:
    """Calls that came on every such three days of the weeks before have all but stopped: longer than a holiday lasts."""
    values = snapshot.days[:, Feature.CALLS]
    now = float(values[-_SILENT:].sum())
    known = [
        float(values[-_SILENT - 7 * back : len(values) - 7 * back].sum())
        for back in (1, 2, 3, 4)
        if snapshot.history.age >= 7 * back + _SILENT
    ]
    if len(known) < 2 or values[-_SILENT:].max() > 0.3 * min(known) / _SILENT:
        return None
    least, usual = min(known), sorted(known)[len(known) // 2]
    if least < _MIN_SAMPLE or now > 0.15 * least:
        return None
    return Finding(
        score=1.5, days=_SILENT, observed=now, expected=usual, sample_size=int(usual), money_micro_usd=None,
        evidence={"least_of_other_weeks": least}, summary=f"{about(now)} calls came in three days where {about(usual)} are ordinary.",
    )  # fmt: skip


DETECTOR: Final = Detector(
    name="data_problems",
    family="data",
    rule="coverage by price, run and id, agreement of costs, and silence, of two days against each two of four weeks",
    silent="coverage within what it was on other days",
    benign_causes=("an integration that is being moved", "a model that is new to the price book", "a holiday"),
    next_step="Check the source that reports this team; figures of these days are not to be trusted.",
    min_sample=_MIN_SAMPLE,
    detect=detect,
    persistence=(1, 1),
    workflow=False,
    after_days=10,
)
