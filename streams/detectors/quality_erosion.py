"""Quality erosion: more is spent and more breaks.

Defects, incidents and undone outcomes per accepted one, of one week and of two, against the four weeks before, the organisation's
movement taken out: bugs and incidents drift for everyone, and without that step every team fires. How rare so many are is asked of
a negative binomial distribution with twice Poisson's variance, as they come in bursts, and that knows how few events the
expectation itself rests on. Work that also takes longer than it did is a second sign of the same; the two are put together as
independent ones (Stouffer). The second signal is that spend, or the number of runs, is up. Needs 5 bad events; on their own 13
show three times as many as usual, 33 twice (exact Poisson tests at 0.001), together with cycle times half as many do.

Source: Montgomery, "Introduction to Statistical Quality Control", u charts; difference in differences as usual; Stouffer et al.,
"The American Soldier", 1949, on adding up normal scores.
"""

from math import exp, log, sqrt
from typing import Final, NamedTuple

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import DAYS, Feature, History
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import BASELINE_DAYS, contrast, excess, level_change, normal_score, tail

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 5
_BAD: Final = (Feature.DEFECTS, Feature.INCIDENTS, Feature.REVERSED)
#: A week is fast; small teams need two.
_SPANS: Final = 7, 14
#: Days of baseline, and the events in both together, that let anything be said.
_LEAST_DAYS: Final = 14
_RATIO: Final = 1.7
#: Spend or runs, over what they were: up, as far as their noise lets one tell.
_BUSIER: Final = 0.95
_ALONE: Final = 3.2
_TOGETHER: Final = 4.0
#: Slower work alone is a matter of the calendar: how much of the evidence it can be.
_SLOWEST: Final = 6.0
_SLOW_WEIGHT: Final = 0.7
#: Logarithms of cycle times of windows are not known better than this.
_SLOW_FLOOR: Final = 0.08
_LEAST_CYCLES: Final = 8


class _Counts(NamedTuple):
    """Bad events and accepted outcomes, now and before."""

    bad: float
    accepted: float
    bad_before: float
    accepted_before: float

    @property
    def change(self) -> float:
        """The logarithm of the ratio of rates; half an event more, as none is no ratio of zero."""
        return log((self.bad + 0.5) / self.accepted * self.accepted_before / (self.bad_before + 0.5))


def _counts(history: History, span: int, frozen_from: int | None = None) -> _Counts | None:
    days = history.days
    end = DAYS - span
    if frozen_from is not None:
        end = min(end, DAYS - 1 - max(0, history.last - frozen_from))
    start = max(DAYS - history.age, end - BASELINE_DAYS)
    before = days[start:end]
    before = before[before[:, Feature.MARKED] == 0]
    if len(before) < _LEAST_DAYS:
        return None
    bad, accepted = days[:, _BAD].sum(axis=1), days[:, Feature.ACCEPTED]
    found = _Counts(
        float(bad[-span:].sum()), float(accepted[-span:].sum()),
        float(before[:, _BAD].sum()), float(before[:, Feature.ACCEPTED].sum()),
    )  # fmt: skip
    return found if found.accepted > 0 and found.accepted_before > 0 else None


def _slower(snapshot: Snapshot, span: int) -> tuple[float, float] | None:
    """How much longer work takes, as a logarithm and in standard deviations."""

    def measure(history: History) -> float | None:
        found = level_change(history, Feature.LOG_CYCLE, Feature.CYCLES, span=span, least=_LEAST_CYCLES)
        return None if found is None else found[0]

    found = level_change(
        snapshot.history, Feature.LOG_CYCLE, Feature.CYCLES, span=span, least=_LEAST_CYCLES, frozen_from=snapshot.frozen_from
    )  # fmt: skip
    if found is None:
        return None
    change, _, spread, n = found
    change -= snapshot.organisation.shift(("cycle times", span), measure)
    return change, change / sqrt(max(spread, _SLOW_FLOOR) ** 2 + 0.5 / n)


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one scope."""
    verdicts = [_judge(snapshot, span) for span in _SPANS]
    return max(verdicts, key=lambda it: -1.0 if isinstance(it, Insufficient) else it.score)


def _judge(snapshot: Snapshot, span: int) -> Verdict:
    n = sum(snapshot.recent(feature, span) for feature in _BAD)
    if n < _MIN_SAMPLE:
        return Insufficient(int(n), _MIN_SAMPLE)
    counts = _counts(snapshot.history, span, snapshot.frozen_from)
    spend = contrast(snapshot, Feature.SPEND, None, counted=False, span=span)
    starts = contrast(snapshot, Feature.STARTS, None, counted=False, span=span)
    if counts is None or spend is None or starts is None:
        return Insufficient(snapshot.history.age, span + _LEAST_DAYS)

    def measure(history: History) -> float | None:
        found = _counts(history, span)
        return None if found is None else found.change

    shift = snapshot.organisation.shift(("bad events", span), measure)
    rate = (counts.bad_before + 0.5) / counts.accepted_before * exp(shift)
    expected = rate * counts.accepted
    chance = excess(int(n), expected, counts.bad_before)
    z = normal_score(chance)
    found = _slower(snapshot, span)
    slower, slow_z = (0.0, 0.0) if found is None else found
    together = (z + _SLOW_WEIGHT * min(_SLOWEST, slow_z)) / sqrt(1 + _SLOW_WEIGHT**2)
    busier = max(spend.ratio, starts.ratio)
    score = min(max(z / _ALONE, min(z, together / _TOGETHER)), n / expected / _RATIO, busier / _BUSIER)
    if score < 1:
        return Clear(max(0.0, score))
    money = snapshot.recent(Feature.SPEND, span) * (1 - 1 / max(spend.ratio, 1.0))
    observed = n / counts.accepted
    return Finding(
        score=score, chance=min(chance, tail(together)), days=span, observed=observed, expected=rate, sample_size=int(n),
        money_micro_usd=int(money) if money > 0 else None,
        evidence={
            "bad": n, "accepted": counts.accepted, "spend_ratio": spend.ratio, "starts_ratio": starts.ratio, "z": z,
            "log_cycle_change": slower, "z_together": together,
        },
        summary=(
            f"{observed:.2f} defects, incidents and undone changes for each accepted outcome where {rate:.2f} "
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
