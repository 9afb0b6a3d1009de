"""Spend without outcomes: money goes out as ever, or more of it, and less comes of it.

Accepted outcomes of the last week, per dollar and per beginning of work, against the four weeks before, the organisation's own
movement taken out; both must be down, as a dearer model moves the one and shorter runs the other. And they must be down against the
median week of all their past, too: what only goes back to where it was is no loss. Days of a rush count as a busy day
does, since their outcomes are still to come. The second signal is money: what was spent beyond what the outcomes ordinarily cost. A
quiet week is none of it, nor is a source of outcomes that has fallen silent: that is a matter of data. A team too new to have a
past of its own, whose runs are those of agents alone, is compared to the others (people take some weeks to learn, and what they do
has outcomes that name no run): the share of its spend on mature runs that nothing accepted came of, of 30 runs or more,
against that of the median team; its accepted outcomes must be few, too, whether they name a run or not. Needs 13 expected outcomes to see a third of what is ordinary, 33 to see half (exact Poisson
tests at 0.001).

Source: Dal Pozzolo et al. 2015 on delayed labels in fraud detection; the group's own past as the norm after Jacob and
Levitt, "Rotten Apples", QJE 118(3), 2003.
"""

from math import exp, log
from statistics import median
from typing import Final

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import DAYS, Feature, History
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import about, contrast, middle, negative_binomial_tail, usd

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 13
#: Windows in days, the chance below which so few outcomes are a sign, and standard deviations: a short window is fast, and
#: must be plain.
_WINDOWS: Final = ((7, 0.002, 3.5), (4, 0.0002, 4.0))
_RATIO: Final = 1.7
_STAKE: Final = 12_000_000
#: Days up to which a team is new; its mature runs; the share of their spend that came to nothing; the chance of so few that did.
_NEW_DAYS: Final = 14
_RUNS: Final = 30
_IN_VAIN: Final = 0.8
_NEW_ALPHA: Final = 0.001
#: How many times fewer its accepted outcomes must be for each beginning of work.
_FEWER: Final = 1.4
#: How many times an ordinary day a rush counts at most.
_RUSH: Final = 2.5
#: Weeks of the past, how many it must have, and how far below their median is a loss.
_WEEKS: Final = 9
_LEAST_WEEKS: Final = 4
_EARLIER_RATIO: Final = 1.4
#: Outcomes of all kinds that two days must let expect, and the share of them that is next to none.
_PAIR: Final = 8.0
_STOPPED: Final = 0.12
#: Days without any outcome that are no chance, whatever work comes to, and the chance below which two are none.
_SILENT_DAYS: Final = 3
_SILENT_CHANCE: Final = 0.03


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one scope."""
    if not snapshot.outcomes_expected:
        return Clear()
    if snapshot.recent(Feature.SPEND, 7) < _STAKE:
        return Clear()
    if (
        snapshot.workflow is None
        and snapshot.history.age < _NEW_DAYS
        and not snapshot.days[:, Feature.ATTRIBUTED].any()
    ):
        return _in_vain(snapshot)
    silent = _silent(snapshot)
    verdicts = [_judge(snapshot, span, params.alpha or alpha, z, silent) for span, alpha, z in _WINDOWS]
    return max(verdicts, key=lambda it: -1.0 if isinstance(it, Insufficient) else it.score)


def _worth(history: History) -> tuple[float, float, int] | None:
    """Of mature runs, the share of spend and the share of runs that something accepted came of, and how many they are."""
    sums = history.days.sum(axis=0)
    runs, spend = int(sums[Feature.COHORT_RUNS]), float(sums[Feature.COHORT_SPEND])
    if runs < _RUNS or spend <= 0:
        return None
    return max(0.001, 1 - float(sums[Feature.ORPHAN_SPEND]) / spend), 1 - float(sums[Feature.ORPHAN_RUNS]) / runs, runs


def _in_vain(snapshot: Snapshot) -> Verdict:
    """Judge a new team by the others: how much of what its mature runs cost came to nothing."""
    found = _worth(snapshot.history)
    if found is None:
        return Insufficient(int(snapshot.history.days[:, Feature.COHORT_RUNS].sum()), _RUNS)
    share, accepted, runs = found

    def spend_share(history: History) -> float | None:
        worth = _worth(history)
        return None if worth is None else log(worth[0])

    def run_share(history: History) -> float | None:
        worth = _worth(history)
        return None if worth is None else log(max(0.001, worth[1]))

    def rate(history: History) -> float | None:
        sums = history.days.sum(axis=0)
        if _worth(history) is None or not sums[Feature.STARTS]:
            return None
        return log((float(sums[Feature.ACCEPTED]) + 0.5) / float(sums[Feature.STARTS]))

    others = snapshot.organisation.shift("share of spend that came to something", spend_share)
    if not others:
        # Too few teams to compare with.
        return Insufficient(snapshot.history.age, _NEW_DAYS)
    ordinary = exp(others)
    expected = exp(snapshot.organisation.shift("share of runs that came to something", run_share)) * runs
    chance = negative_binomial_tail(round(accepted * runs), expected)
    spend = float(snapshot.days[:, Feature.COHORT_SPEND].sum())
    wasted = spend * (1 - share)
    few = exp(snapshot.organisation.shift("accepted for each beginning", rate) - (rate(snapshot.history) or 0.0))
    score = min(
        ordinary / share / _RATIO,
        few / _FEWER,
        (1 - share) / _IN_VAIN,
        wasted / _STAKE,
        runs / _RUNS,
        2.0 if chance <= _NEW_ALPHA else 0.9,
    )
    if score < 1:
        return Clear(max(0.0, score))
    return Finding(
        score=score, chance=chance, days=min(_NEW_DAYS, snapshot.history.age), observed=1 - share, expected=1 - ordinary,
        sample_size=runs, money_micro_usd=int(wasted),
        evidence={"runs": runs, "runs_with_outcome": accepted * runs, "spend_usd": spend / 1e6, "chance": chance},
        summary=(
            f"{1 - share:.0%} of {usd(spend)} on {about(runs)} runs came to nothing that was accepted, where the median team has "
            f"{1 - ordinary:.0%}."
        ),
    )  # fmt: skip


def _judge(snapshot: Snapshot, span: int, alpha: float, z: float, silent: bool) -> Verdict:
    spend = snapshot.recent(Feature.SPEND, span)
    per_spend = contrast(snapshot, Feature.ACCEPTED, Feature.SPEND, span=span, least=1.0)
    per_start = contrast(snapshot, Feature.ACCEPTED, Feature.STARTS, span=span, least=1.0)
    before = contrast(snapshot, Feature.SPEND, None, span=span, counted=False)
    if per_spend is None or per_start is None or before is None:
        return Insufficient(int(snapshot.recent(Feature.ACCEPTED, 35)), _MIN_SAMPLE)
    expected = min(
        per_spend.expected * per_spend.base, per_start.expected * min(per_start.base, _unhurried(snapshot, span))
    )
    if expected < _MIN_SAMPLE:
        return Insufficient(int(expected), _MIN_SAMPLE)
    accepted = int(per_spend.n)
    chance = negative_binomial_tail(accepted, expected)
    factor = expected / max(accepted, 0.5)
    stake = spend * max(0.0, 1 - accepted / expected)
    earlier = _earlier_rate(snapshot.history, span, snapshot)
    before_that = factor if earlier is None else earlier * per_start.base / max(accepted, 0.5)
    score = min(
        -per_spend.z / z, -per_start.z / z, factor / _RATIO, stake / _STAKE, before.ratio / 0.6,
        before_that / _EARLIER_RATIO, 2.0 if chance <= alpha else 0.9,
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
            f"{usd(spend)} in {span} days came to {about(accepted)} accepted outcomes where {about(expected)} were to be expected; "
            f"spend is {before.ratio:.1f} times what is ordinary."
        ),
    )  # fmt: skip


def _unhurried(snapshot: Snapshot, span: int) -> float:
    """Beginnings of work of the last days, each day at most some times an ordinary one."""
    starts = snapshot.days[:, Feature.STARTS]
    ordinary = starts[-35:-span]
    ordinary = ordinary[ordinary > 0]
    if not len(ordinary):
        return float(starts[-span:].sum())
    return float(starts[-span:].clip(max=_RUSH * max(middle(ordinary), float(ordinary.mean()))).sum())


def _change_since(history: History, span: int) -> tuple[float, float] | None:
    """The logarithm of accepted outcomes per beginning of work over those of the median week of the past, and those."""
    days = history.days
    weeks = [days[DAYS - 7 * back - 7 : DAYS - 7 * back] for back in range(1, min(_WEEKS, history.age // 7 - 1) + 1)]
    sums = [week[week[:, Feature.MARKED] == 0].sum(axis=0) for week in weeks]
    rates = [float(it[Feature.ACCEPTED] / it[Feature.STARTS]) for it in sums if it[Feature.STARTS] > 0]
    starts = float(days[-span:, Feature.STARTS].sum())
    rate = median(rates) if len(rates) >= _LEAST_WEEKS else 0.0
    if not rate or not starts:
        return None
    return log((float(days[-span:, Feature.ACCEPTED].sum()) + 0.5) / starts / rate), rate


def _earlier_rate(history: History, span: int, snapshot: Snapshot) -> float | None:
    """Accepted outcomes per beginning of work that the whole past lets expect; None where there is too little."""
    found = _change_since(history, span)
    if found is None:
        return None

    def measure(history: History) -> float | None:
        moved = _change_since(history, span)
        return None if moved is None else moved[0]

    return found[1] * exp(snapshot.organisation.shift(("outcomes since the past", span), measure))


def _silent(snapshot: Snapshot) -> bool:
    """Whether outcomes all but stopped on two days in a row of the last seven: that is no yield, that is a source.

    Work that comes to little has such days by chance: either they are no chance at the rate of the other days, or there
    are too many of them.
    """
    days = snapshot.days
    calls, outcomes = days[-35:-7, Feature.CALLS].sum(), days[-35:-7, Feature.OUTCOMES].sum()
    expected = days[-8:, Feature.CALLS] * (outcomes / max(1.0, calls))
    came = days[-8:, Feature.OUTCOMES]
    if not came[1:].any():
        return True
    for day in range(1, len(expected)):
        of_two, came_of_two = float(expected[day - 1 : day + 1].sum()), float(came[day - 1 : day + 1].sum())
        if of_two < _PAIR or came_of_two > _STOPPED * of_two:
            continue
        others = (float(came.sum()) - came_of_two) / max(1.0, float(expected.sum()) - of_two)
        long = day >= _SILENT_DAYS - 1 and not came[day - _SILENT_DAYS + 1 : day + 1].any()
        if long or negative_binomial_tail(int(came_of_two), min(1.0, others) * of_two, 2.0) < _SILENT_CHANCE:
            return True
    return False


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
    after_days=0,
)
