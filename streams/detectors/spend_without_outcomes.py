"""Spend without outcomes: money goes out as ever, or more of it, and less comes of it.

Accepted outcomes of the last week, per dollar and per beginning of work, against the four weeks before, the organisation's own
movement taken out; both must be down, as a dearer model moves the one and shorter runs the other. The second signal is money:
what was spent beyond what the outcomes ordinarily cost. A quiet week is none of it, nor is a source of outcomes that has fallen
silent: that is a matter of data. Needs 13 expected outcomes to see a third of what is ordinary, 33 to see half (exact Poisson
tests at 0.001).

Source: Dal Pozzolo et al. 2015 on delayed labels in fraud detection; the group's own past as the norm after Jacob and
Levitt, "Rotten Apples", QJE 118(3), 2003.
"""

from typing import Final

import numpy as np

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import Feature
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import contrast, negative_binomial_tail, usd

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 13
_ALPHA: Final = 0.002
_RATIO: Final = 1.7
_STAKE: Final = 12_000_000
_Z: Final = 3.5
#: Days without any outcome, where several a day are ordinary: whoever reports them has stopped.
_SILENT_DAYS: Final = 2


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one scope."""
    if not snapshot.outcomes_expected:
        return Clear()
    spend = snapshot.recent(Feature.SPEND, 7)
    if spend < _STAKE:
        return Clear()
    per_spend = contrast(snapshot, Feature.ACCEPTED, Feature.SPEND, least=1.0)
    per_start = contrast(snapshot, Feature.ACCEPTED, Feature.STARTS, least=1.0)
    before = contrast(snapshot, Feature.SPEND, None, counted=False)
    if per_spend is None or per_start is None or before is None:
        return Insufficient(int(snapshot.recent(Feature.ACCEPTED, 35)), _MIN_SAMPLE)
    expected = min(per_spend.expected * per_spend.base, per_start.expected * per_start.base)
    if expected < _MIN_SAMPLE:
        return Insufficient(int(expected), _MIN_SAMPLE)
    accepted = int(per_spend.n)
    chance = negative_binomial_tail(accepted, expected)
    factor = expected / max(accepted, 0.5)
    stake = spend * max(0.0, 1 - accepted / expected)
    alpha = params.alpha or _ALPHA
    score = min(
        -per_spend.z / _Z, -per_start.z / _Z, factor / _RATIO, stake / _STAKE, before.ratio / 0.6,
        2.0 if chance <= alpha else 0.9,
    )  # fmt: skip
    if _silent(snapshot):
        return Clear(min(max(0.0, score), 0.9))
    if score < 1:
        return Clear(max(0.0, score))
    return Finding(
        score=score, chance=chance, days=7, observed=accepted, expected=expected, sample_size=int(expected),
        money_micro_usd=int(stake),
        evidence={
            "spend_usd": spend / 1e6, "spend_ratio": before.ratio, "accepted": accepted, "accepted_expected": expected,
            "chance": chance, "z": per_spend.z,
        },
        summary=(
            f"{usd(spend)} in seven days came to {accepted} accepted outcomes where {expected:.0f} were to be expected; "
            f"spend is {before.ratio:.1f} times what is ordinary."
        ),
    )  # fmt: skip


def _silent(snapshot: Snapshot) -> bool:
    """Whether outcomes have stopped coming for days, though work goes on."""
    outcomes = snapshot.days[-7:, Feature.OUTCOMES]
    usual = float(np.median(snapshot.days[-35:-7, Feature.OUTCOMES].reshape(4, 7).sum(axis=1))) / 7
    nothing = longest = 0
    for day, count in enumerate(outcomes):
        worked = snapshot.days[-7 + day, Feature.CALLS] > 0.3 * snapshot.days[-7:, Feature.CALLS].mean()
        nothing = nothing + 1 if count == 0 and worked else 0
        longest = max(longest, nothing)
    return usual >= 1.5 and longest >= _SILENT_DAYS


DETECTOR: Final = Detector(
    name="spend_without_outcomes",
    family="waste",
    rule="accepted outcomes per dollar and per beginning of work, of seven days, against the four weeks before",
    silent="spend that falls with its outcomes, or outcomes that keep up with spend",
    benign_causes=(
        "work whose outcomes take longer than usual",
        "a source of outcomes that has stopped reporting",
        "exploration that the policy does not declare",
    ),
    next_step="Look at the workflows with the most spend and no linked outcome; declare exploration in the policy.",
    min_sample=_MIN_SAMPLE,
    detect=detect,
)
