"""Quality erosion: more is spent and more breaks.

Defects, incidents and undone outcomes per accepted one of the last week against the four weeks before, the organisation's
movement taken out: bugs and incidents drift for everyone, and without that step every team fires. Two signals: what breaks
is up (or work takes longer), and spend is up. Needs 8 bad events; 13 show three times as many as usual, 33
twice (exact Poisson tests at 0.001).

Source: Montgomery, "Introduction to Statistical Quality Control", u charts; difference in differences as usual.
"""

from math import exp
from typing import Final

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import Feature
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import contrast, e_process, tail

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 8
_BAD: Final = (Feature.DEFECTS, Feature.INCIDENTS, Feature.REVERSED)


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one scope."""
    span = 7
    n = sum(snapshot.recent(feature, span) for feature in _BAD)
    if n < _MIN_SAMPLE:
        return Insufficient(int(n), _MIN_SAMPLE)
    bad = contrast(snapshot, _BAD, Feature.ACCEPTED, span=span, floor=0.25)
    spend = contrast(snapshot, Feature.SPEND, None, counted=False, span=span)
    if bad is None or spend is None:
        return Insufficient(snapshot.history.age, 14)
    expected = bad.expected * bad.base
    # Bursts of defects count for less than as many independent ones.
    evidence = e_process(bad.n / 2, expected / 2)
    cycle = contrast(snapshot, Feature.LOG_CYCLE, Feature.CYCLES, counted=False, floor=0.01)
    slower = 0.0 if cycle is None else (cycle.observed - cycle.expected) / 1000
    # Work that also takes longer needs less of the other.
    helped = 0.8 + 0.5 * min(1.0, max(0.0, slower / 0.3))
    score = min(helped * min(bad.z / 2.7, bad.ratio / 1.8, evidence / 2.5), max(spend.ratio / 1.1, slower / 0.35))
    if score < 1:
        return Clear(max(0.0, score))
    money = snapshot.recent(Feature.SPEND, span) * (1 - 1 / max(spend.ratio, 1.0))
    return Finding(
        score=score, chance=tail(bad.z), days=span, observed=bad.observed, expected=bad.expected, sample_size=int(n),
        money_micro_usd=int(money) if money > 0 else None,
        evidence={"bad": bad.n, "accepted": bad.base, "spend_ratio": spend.ratio, "z": bad.z, "log_cycle_change": slower, "e_value": exp(min(evidence, 50))},
        summary=(
            f"{bad.observed:.2f} defects, incidents and undone changes for each accepted outcome where {bad.expected:.2f} "
            f"is ordinary, while spend is {spend.ratio:.1f} times what it was."
        ),
    )  # fmt: skip


DETECTOR: Final = Detector(
    name="quality_erosion",
    family="quality",
    rule="defects, incidents and undone outcomes per accepted one, with spend up, relative to the organisation",
    silent="defects that rise for everyone, or spend that does not rise",
    benign_causes=("a release train", "old incidents entered late", "a day of defect triage"),
    next_step="Read the latest reverted and defective changes of the team together.",
    min_sample=_MIN_SAMPLE,
    detect=detect,
    workflow=False,
)
