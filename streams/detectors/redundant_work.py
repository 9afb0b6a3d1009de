"""Redundant work: prompts that were sent before are sent again, and again.

The share of fingerprinted calls that repeat, or nearly repeat, one of the last days in the same workflow. Loops and batches make
a few days of any month stand out, so that it is asked of days, too: by their ranks, those of the last week must be higher than
those of the four weeks before. What begins by the clock, is set off by schedules and builds, or tries again what has failed repeats
itself by nature, and does not count; nor does a week of incidents, in which everybody asks the same. The second signal: the calls that repeat cost real
money while outcomes per call do not rise. Needs 100 calls with a fingerprint a week.

Source: Manku, Jain and Das Sarma, "Detecting near-duplicates for web crawling", WWW 2007, for the fingerprints; Mann and Whitney 1947
for the ranks.
"""

from typing import Final

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import DAYS, Feature
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import BASELINE_DAYS, contrast, middle, rank_sum, tail, usd

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 100
_EXTRA: Final = 0.07
_RATIO: Final = 1.85
_STAKE: Final = 8_000_000
_Z: Final = 2.8
#: Ranks of a week of days against those of four: standard deviations, and how many times the median share of days.
_RANKS: Final = 2.1
_MIDDLE: Final = 1.5
#: Calls with a fingerprint that let a day say anything, and days of the last week and of those before.
_LEAST_CALLS: Final = 8
_LEAST_DAYS: Final = 4, 8
#: The least median share of an ordinary day.
_LEAST_SHARE: Final = 0.02
#: Incidents of a week, and how many times as many as in an ordinary one, that explain why all ask the same.
_STORM: Final = 5, 3


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
    natural = _by_nature(snapshot)
    share = repeats.observed
    extra = max(0.0, share - repeats.expected - natural)
    stake = spent * extra / share if share else 0.0
    # A repetition that helps is none.
    worth = contrast(snapshot, Feature.ACCEPTED, Feature.CALLS, floor=0.2)
    gain = 1.0 if worth is None else worth.ratio
    ranks, times = _days(snapshot, natural)
    score = min(
        repeats.z / _Z,
        (repeats.expected + extra) / max(repeats.expected, 0.001) / _RATIO,
        extra / _EXTRA,
        stake / _STAKE,
        1.1 / gain,
        ranks / _RANKS,
        times / _MIDDLE,
    )
    if score >= 1 and _storm(snapshot):
        return Clear(0.9)
    if score < 1:
        return Clear(max(0.0, score))
    return Finding(
        score=score, chance=tail(max(repeats.z, ranks)), days=7, observed=share, expected=repeats.expected, sample_size=int(calls),
        money_micro_usd=int(stake),
        evidence={
            "repeats": repeats.n, "repeat_spend_usd": spent / 1e6, "z": repeats.z, "rank_z": ranks, "outcomes_per_call_ratio": gain,
        },
        summary=(
            f"{share:.0%} of calls repeat earlier ones where {repeats.expected:.0%} is ordinary; "
            f"the repetition cost about {usd(stake)} in seven days."
        ),
    )  # fmt: skip


def _by_nature(snapshot: Snapshot) -> float:
    """The share of calls that clocks set off or that follow a failure, as far as it is more than it was: they repeat by nature."""
    days = snapshot.days
    calls = max(1.0, float(days[-7:, Feature.CALLS].sum()))
    share = 0.0
    for feature, clock in ((Feature.MACHINE, snapshot.regular.calls / calls), (Feature.FAILED, 0.0)):
        # Of the ordinary day, by the median: what began a few days ago is not ordinary yet.
        before = days[-35:-7]
        before = before[before[:, Feature.CALLS] >= _LEAST_CALLS]
        ordinary = middle(before[:, feature] / before[:, Feature.CALLS]) if len(before) else 0.0
        share += max(0.0, float(days[-7:, feature].sum()) / calls - ordinary, min(1.0, clock))
    return min(1.0, share)


def _days(snapshot: Snapshot, natural: float) -> tuple[float, float]:
    """By how much days of the last week have a higher share of repeats: by their ranks, and by their median."""
    days = snapshot.days
    end = DAYS - 7
    if snapshot.frozen_from is not None:
        end = min(end, DAYS - 1 - max(0, snapshot.history.last - snapshot.frozen_from))
    before = days[max(DAYS - snapshot.history.age, end - BASELINE_DAYS) : end]
    now = days[-7:]
    before, now = before[before[:, Feature.MARKED] == 0], now[now[:, Feature.FINGERPRINTED] >= _LEAST_CALLS]
    before = before[before[:, Feature.FINGERPRINTED] >= _LEAST_CALLS]
    if len(now) < _LEAST_DAYS[0] or len(before) < _LEAST_DAYS[1]:
        return 0.0, 0.0
    # Shares of few calls are drawn to that of a day without any.
    shares = (now[:, Feature.REPEATS] + 0.3) / (now[:, Feature.FINGERPRINTED] + 4)
    others = (before[:, Feature.REPEATS] + 0.3) / (before[:, Feature.FINGERPRINTED] + 4)
    return rank_sum(shares, others), (middle(shares) - natural) / max(middle(others), _LEAST_SHARE)


def _storm(snapshot: Snapshot) -> bool:
    """Whether the team's week is one of incidents."""
    days = (snapshot.whole or snapshot.history).days[:, Feature.INCIDENTS]
    least, times = _STORM
    now = float(days[-7:].sum())
    return now >= least and now >= times * float(days[-35:-7].sum()) / 4


DETECTOR: Final = Detector(
    name="redundant_work",
    family="waste",
    rule="share of calls that repeat an earlier prompt of the workflow, against the four weeks before",
    silent="a share of repeats near its own past, a cache that answers them, or a week of incidents",
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
