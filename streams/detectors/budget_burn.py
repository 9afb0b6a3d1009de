"""Budget burn: the month's money goes faster than the month.

Spend over the pace that would use the budget up exactly, in a long window and in a short one, so that it is fast for long
enough and still is: 1 h and 5 min at 14.4 times the pace, 6 h and 30 min at 6, 1 day and 2 h at 3. The pace is by hour of the
week, from the team's last four weeks: on a uniform one, a team that works 40 of 168 hours burns at four times the pace in
every working hour. The slowest burn is told from the forecast: what the month will come to, at the rate of the last seven days, where that is $100 too much.
Needs 25 calls in the long window: they come in runs of about ten, and one or two dear runs are no trend.

Source: Google SRE Workbook, chapter 5, multiwindow multi-burn-rate alerts; kubernetes-mixin for the tiers.
"""

from dataclasses import dataclass
from typing import Final

from streams.core.findings import Clear, Detector, Finding, Severity, Verdict
from streams.core.pace import Pace
from streams.detectors.statistics import usd

__all__ = ["DETECTOR", "TIERS", "Tier", "judge", "judge_forecast"]

_MIN_SAMPLE: Final = 25
#: In a window: less is nothing to wake anybody for, whatever share of a small budget it is.
_STAKE: Final = 60_000_000
#: By how much a month must be going to overrun its budget: what is less is for the report, not for somebody's day.
_OVERRUN: Final = 100_000_000
#: A window must cost so many times what the dearest ordinary ones of the last four weeks did: some teams work in bursts.
_UNUSUAL: Final = 1.4


@dataclass(frozen=True, slots=True)
class Tier:
    """One speed of burning; windows in 5-minute steps, ``every`` so many of them it is looked at.

    ``share`` is the least share of the month's budget that the long window must have used: in a quiet hour, any call is
    many times the pace.
    """

    long: int
    short: int
    rate: float
    share: float
    severity: Severity
    every: int


TIERS: Final = (
    Tier(12, 1, 14.4, 0.1, "critical", 1),
    Tier(72, 6, 6.0, 0.12, "critical", 6),
    Tier(288, 24, 3.0, 0.12, "warning", 12),
)


def judge(tier: Tier, pace: Pace, budget: int, step: int) -> Verdict:
    """Judge one tier at the end of a 5-minute step."""
    ordinary = pace.ordinary(tier.long)
    if ordinary is None:
        return Clear()
    spend, calls = pace.spent(step, tier.long)
    # The cheap questions first: they are asked every five minutes.
    score = min(spend / _STAKE, spend / (tier.share * budget), spend / (_UNUSUAL * max(1, ordinary)))
    if score < 1 or calls < _MIN_SAMPLE:
        return Clear(max(0.0, score))
    expected = max(1.0, pace.expected(budget, step, tier.long))
    rate = spend / expected
    short = pace.spent(step, tier.short)[0] / max(1.0, pace.expected(budget, step, tier.short))
    score = min(score, rate / tier.rate, short / tier.rate)
    if score < 1:
        return Clear(max(0.0, score))
    return Finding(
        score=score, severity=tier.severity, days=0, observed=spend / 1e6, expected=expected / 1e6, sample_size=calls,
        money_micro_usd=int(spend - expected), evidence={"burn_rate": rate, "hours": tier.long / 12, "threshold": tier.rate},
        summary=(
            f"{usd(spend)} in {tier.long / 12:.0f} h, {rate:.1f} times the pace of the monthly budget of {usd(budget)}."
        ),
    )  # fmt: skip


def judge_forecast(budget: int, spent: float, rest: float, error: float, faster: float, calls: int) -> Verdict:
    """Judge what a month will come to: ``spent`` so far, ``rest`` expected, ``error`` a standard deviation of it.

    ``faster`` is the last week's spend over that of the three before: a budget that was too small all along is told by the
    report, month after month; an alert is for what has changed.
    """
    if calls < _MIN_SAMPLE or spent <= 0:
        return Clear()
    low, high = spent + rest - 1.28 * error, spent + rest + 1.28 * error
    score = min(low / (1.2 * budget), faster / 1.3, (low - budget) / _OVERRUN)
    if score < 1:
        return Clear(max(0.0, score))
    return Finding(
        score=score, days=7, observed=(spent + rest) / 1e6, expected=budget / 1e6, sample_size=calls,
        money_micro_usd=int(spent + rest - budget),
        evidence={"spent_usd": spent / 1e6, "forecast_p10_usd": low / 1e6, "forecast_p90_usd": high / 1e6},
        summary=f"The month will come to {usd(low)} to {usd(high)}; the budget is {usd(budget)}.",
    )  # fmt: skip


DETECTOR: Final = Detector(
    name="budget_burn",
    family="budget",
    rule="spend over the pace of the monthly budget, in a long and a short window at once",
    silent="spend at the pace of the budget",
    benign_causes=(
        "a planned migration or load test",
        "a price that changed",
        "a budget that was not raised with the team",
    ),
    next_step="See which workflow spends it, and raise the budget or slow that workflow down.",
    min_sample=_MIN_SAMPLE,
    detect=None,
    persistence=(1, 1),
    workflow=False,
    after_days=0,
)
