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

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import Feature
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import contrast, negative_binomial_tail, usd

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 13
#: Windows in days, the chance below which so few outcomes are a sign, and standard deviations: a short window is fast, and
#: must be plain.
_WINDOWS: Final = ((7, 0.002, 3.5), (4, 0.0002, 4.0))
_RATIO: Final = 1.7
_STAKE: Final = 12_000_000
#: Outcomes of all kinds that two days must let expect, and the share of them that is next to none.
_PAIR: Final = 8.0
_STOPPED: Final = 0.12


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one scope."""
    if not snapshot.outcomes_expected:
        return Clear()
    if snapshot.recent(Feature.SPEND, 7) < _STAKE:
        return Clear()
    silent = _silent(snapshot)
    verdicts = [_judge(snapshot, span, params.alpha or alpha, z, silent) for span, alpha, z in _WINDOWS]
    return max(verdicts, key=lambda it: -1.0 if isinstance(it, Insufficient) else it.score)


def _judge(snapshot: Snapshot, span: int, alpha: float, z: float, silent: bool) -> Verdict:
    spend = snapshot.recent(Feature.SPEND, span)
    per_spend = contrast(snapshot, Feature.ACCEPTED, Feature.SPEND, span=span, least=1.0)
    per_start = contrast(snapshot, Feature.ACCEPTED, Feature.STARTS, span=span, least=1.0)
    before = contrast(snapshot, Feature.SPEND, None, span=span, counted=False)
    if per_spend is None or per_start is None or before is None:
        return Insufficient(int(snapshot.recent(Feature.ACCEPTED, 35)), _MIN_SAMPLE)
    expected = min(per_spend.expected * per_spend.base, per_start.expected * per_start.base)
    if expected < _MIN_SAMPLE:
        return Insufficient(int(expected), _MIN_SAMPLE)
    accepted = int(per_spend.n)
    chance = negative_binomial_tail(accepted, expected)
    factor = expected / max(accepted, 0.5)
    stake = spend * max(0.0, 1 - accepted / expected)
    score = min(
        -per_spend.z / z, -per_start.z / z, factor / _RATIO, stake / _STAKE, before.ratio / 0.6,
        2.0 if chance <= alpha else 0.9,
    )  # fmt: skip
    if silent:
        return Clear(min(max(0.0, score), 0.9))
    if score < 1:
        return Clear(max(0.0, score))
    return Finding(
        score=score, chance=chance, days=span, observed=accepted, expected=expected, sample_size=int(expected),
        money_micro_usd=int(stake),
        evidence={
            "spend_usd": spend / 1e6, "spend_ratio": before.ratio, "accepted": accepted, "accepted_expected": expected,
            "chance": chance, "z": per_spend.z,
        },
        summary=(
            f"{usd(spend)} in {span} days came to {accepted} accepted outcomes where {expected:.0f} were to be expected; "
            f"spend is {before.ratio:.1f} times what is ordinary."
        ),
    )  # fmt: skip


def _silent(snapshot: Snapshot) -> bool:
    """Whether outcomes all but stopped on two days in a row of the last seven: that is no yield, that is a source."""
    days = snapshot.days
    calls, outcomes = days[-35:-7, Feature.CALLS].sum(), days[-35:-7, Feature.OUTCOMES].sum()
    expected = days[-8:, Feature.CALLS] * (outcomes / max(1.0, calls))
    came = days[-8:, Feature.OUTCOMES]
    pairs = (expected[1:] + expected[:-1] >= _PAIR) & (
        came[1:] + came[:-1] <= _STOPPED * (expected[1:] + expected[:-1])
    )
    return bool(pairs.any())


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
