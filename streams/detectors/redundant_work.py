"""Redundant work: prompts that were sent before are sent again, and again.

The share of fingerprinted calls that repeat, or nearly repeat, one of the last days in the same workflow. Two signals: the
share is far above the workflow's own past; and the calls that repeat cost real money while outcomes per call do not rise.
Needs 100 calls with a fingerprint a week.

Source: Manku, Jain and Das Sarma, "Detecting near-duplicates for web crawling", WWW 2007, for the fingerprints.
"""

from typing import Final

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import Feature
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import contrast, sustained, tail, usd

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 100
_EXTRA: Final = 0.08
#: Days of the last seven on which it must have been so: a batch of evaluations is over sooner.
_DAYS: Final = 5
_STAKE: Final = 5_000_000


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one scope."""
    if snapshot.place.declared_schedule:
        return Clear()
    calls = snapshot.recent(Feature.FINGERPRINTED, 7)
    if calls < _MIN_SAMPLE:
        return Insufficient(int(calls), _MIN_SAMPLE)
    spent = snapshot.recent(Feature.REPEAT_SPEND, 7)
    if spent < _STAKE:
        return Clear()
    repeats = contrast(snapshot, Feature.REPEATS, Feature.FINGERPRINTED, floor=0.18)
    if repeats is None:
        return Insufficient(snapshot.history.age, 14)
    share = repeats.observed
    extra = max(0.0, share - repeats.expected)
    stake = spent * extra / share if share else 0.0
    # A repetition that helps is none.
    worth = contrast(snapshot, Feature.ACCEPTED, Feature.CALLS, floor=0.2)
    gain = 1.0 if worth is None else worth.ratio
    long = sustained(snapshot, Feature.REPEATS, Feature.FINGERPRINTED, (share + repeats.expected) / 2 * 0.9)
    score = min(
        repeats.z / 3.6,
        repeats.ratio / 1.8,
        extra / _EXTRA,
        stake / _STAKE,
        1.05 / gain,
        2.0 if long >= _DAYS else long / _DAYS,
    )
    if score < 1:
        return Clear(max(0.0, score))
    return Finding(
        score=score, chance=tail(repeats.z), days=7, observed=share, expected=repeats.expected, sample_size=int(calls),
        money_micro_usd=int(stake),
        evidence={"repeats": repeats.n, "repeat_spend_usd": spent / 1e6, "z": repeats.z, "outcomes_per_call_ratio": gain},
        summary=(
            f"{share:.0%} of calls repeat earlier ones where {repeats.expected:.0%} is ordinary; "
            f"the repetition cost about {usd(stake)} in seven days."
        ),
    )  # fmt: skip


DETECTOR: Final = Detector(
    name="redundant_work",
    family="waste",
    rule="share of calls that repeat an earlier prompt of the workflow, against the four weeks before",
    silent="a share of repeats near its own past, or a cache that answers them",
    benign_causes=(
        "retries of a flaky tool",
        "an evaluation that runs the same cases",
        "a cache that was switched off",
    ),
    next_step="Cache the repeated prompts, or find the script that sends them.",
    min_sample=_MIN_SAMPLE,
    detect=detect,
    persistence=(3, 4),
)
