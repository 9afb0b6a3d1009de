"""Data problems: figures that are wrong, or missing, not spend that is.

Coverage that changes: calls without a price, or at a price of nothing, without a run, without a person; reported and computed
costs that part; ids that collide; telemetry that falls silent. The last two days against every two days of the four weeks
before, so that what a team's weekends are like is known. Days of less than half the usual volume say nothing. Calls of one run
are alike: a share must be more than chance would make of as few runs as there were. Silence is that of three days against the
same days of the weeks before, with what moved the whole organisation taken out: a holiday is nobody's source. Where most calls are
missing but not all, outcomes that keep coming, and runs of which only pieces are left, tell a source from a quiet week. Needs 60 calls.

Source: Kitchenham and Pfleeger, "Principles of survey research", part 6, on missing data; the rule of extremes is that of a
Shewhart chart.
"""

from math import exp, log
from typing import Final

import numpy as np

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import Days, Feature, History
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import about, binomial_tail, middle, rarity

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 60
_SPAN: Final = 2
_SILENT: Final = 3
_BASELINE: Final = 28
#: How far a share must have moved from what it was on the whole, and from the most extreme days.
_MOVED: Final = 0.12
_BEYOND: Final = 0.06
#: The chance that so many of the runs are alike, and the least share of them that are so on any day.
_ALPHA: Final = 0.0001
_LEAST_SHARE: Final = 0.02
#: Of what is least in other weeks: calls that are silence, and that are a loss where outcomes are as many as ever.
_SILENCE: Final = 0.15
_LOSS: Final = 0.45
#: Of the ordinary calls of a run, those that are left where single calls are lost.
_PIECES: Final = 0.42
#: A day on which a team ordinarily does less of three days' work is no day to miss it on; of others, so many must be silent.
_ACTIVE: Final = 0.2
_ACTIVE_DAYS: Final = 2
#: Outcomes of three days that let a loss be told, and the share of the ordinary ones that must have come.
_LEAST_OUTCOMES: Final = 8
_STILL_COME: Final = 0.75
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
    # Chance is that of so many runs, as calls of one are alike.
    runs = int(now[:, Feature.STARTS].sum())
    # One heavy run on one day is no change: the lesser of the two days counts.
    each = now[:, feature] / np.maximum(now[:, Feature.CALLS], 1.0)
    observed = float(each.min() if sign > 0 else each.max())
    extreme = float(shares.max() if sign > 0 else shares.min())
    # The bad side, whichever it is of.
    bad, usual_bad = (observed, ordinary) if sign > 0 else (1 - observed, 1 - ordinary)
    chance = binomial_tail(round(bad * runs), runs, max(_LEAST_SHARE, usual_bad))
    score = min(
        sign * (observed - ordinary) / _MOVED, sign * (observed - extreme) / _BEYOND, rarity(chance, _ALPHA)
    )  # fmt: skip
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
    """Calls that came on every such three days of the weeks before have stopped, or most of them while outcomes did not.

    Three days are longer than a holiday of one team lasts; those of all are taken out.
    """
    history = snapshot.history
    found = _same_days(history, Feature.CALLS, snapshot.frozen_from)
    if found is None:
        return None
    now, least, usual = found
    shift = min(0.0, _everyone(snapshot, Feature.CALLS))
    least, usual = least * exp(shift), usual * exp(shift)
    if usual < _MIN_SAMPLE or least <= 0 or not _work_days(history):
        return None
    values = _of_people(history.days[-_SILENT:])
    score, why = 0.0, ""
    if least >= _MIN_SAMPLE and now <= _SILENCE * least and values.max() <= 2 * _SILENCE * least / _SILENT:
        score = 1.5
    else:
        outcomes = _same_days(history, Feature.OUTCOMES, snapshot.frozen_from)
        if outcomes is not None:
            came, _, expected = outcomes
            expected *= exp(min(0.0, _everyone(snapshot, Feature.OUTCOMES)))
            if expected >= _LEAST_OUTCOMES:
                score = min(
                    _LOSS * least / max(now, 1.0), came / (_STILL_COME * expected), _PIECES / _pieces(history), 1.5
                )  # fmt: skip
                why = f" while {about(came)} outcomes came where {about(expected)} are"
    if score < 1:
        return None
    return Finding(
        score=score, days=_SILENT, observed=now, expected=usual, sample_size=int(usual), money_micro_usd=None,
        evidence={"least_of_other_weeks": least},
        summary=f"{about(now)} calls came in three days where {about(usual)} are ordinary{why}.",
    )  # fmt: skip


def _of_people(days: Days) -> Days:
    """Calls that no schedule or build set off: those may be switched off, and nothing is wrong."""
    return days[:, Feature.CALLS] - days[:, Feature.MACHINE]


def _same_days(
    history: History, feature: Feature, frozen_from: int | None = None
) -> tuple[float, float, float] | None:  # fmt: skip
    """The sum of three days, and the least and the median of the same days of the four weeks before."""
    values = _of_people(history.days) if feature == Feature.CALLS else history.days[:, feature]
    ends = [len(values) - 7 * back for back in (1, 2, 3, 4) if history.age >= 7 * back + _SILENT]
    if frozen_from is not None:
        # Weeks that the alert that fires is about are no norm.
        ends = [end for end in ends if end <= len(values) - max(0, history.last - frozen_from)]
    known = sorted(float(values[end - _SILENT : end].sum()) for end in ends)
    if len(known) < 2:
        return None
    return float(values[-_SILENT:].sum()), known[0], known[len(known) // 2]


def _work_days(history: History) -> bool:
    """Whether the last three days hold two on which there is ordinarily work: one day off is no silence."""
    values = _of_people(history.days)
    end = len(values)
    usual = [middle(values[[end - back - 7 * week for week in (1, 2, 3, 4)]]) for back in range(1, _SILENT + 1)]
    return sum(it >= _ACTIVE * sum(usual) > 0 for it in usual) >= _ACTIVE_DAYS


def _pieces(history: History) -> float:
    """Calls for each beginning of work in three days, over those of the four weeks before."""
    days = history.days

    def size(rows: Days) -> float:
        return float(rows[:, Feature.CALLS].sum() / max(1.0, rows[:, Feature.STARTS].sum()))

    return max(0.01, size(days[-_SILENT:])) / max(0.01, size(days[-_SILENT - _BASELINE : -_SILENT]))


def _everyone(snapshot: Snapshot, feature: Feature) -> float:
    """How far the median team is above what is ordinary on such days, as a logarithm."""

    def measure(history: History) -> float | None:
        found = _same_days(history, feature)
        return None if found is None or found[2] <= 0 else log((found[0] + 0.5) / (found[2] + 0.5))

    return snapshot.organisation.shift(("same days", feature), measure)


DETECTOR: Final = Detector(
    name="data_problems",
    family="data",
    rule="coverage by price, run and id, agreement of costs, and silence, of two days against each two of four weeks",
    silent="coverage within what it was on other days",
    benign_causes=(
        "an integration that is being moved",
        "a model that is new to the price book",
        "holidays of this team alone",
    ),
    next_step="Check the source that reports this team; figures of these days are not to be trusted.",
    min_sample=_MIN_SAMPLE,
    detect=detect,
    persistence=(1, 1),
    workflow=False,
    after_days=10,
)
