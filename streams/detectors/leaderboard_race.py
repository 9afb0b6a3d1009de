"""Leaderboard race: those at the top pull away from everyone else, and nothing comes of it.

Concentration of a week's tokens, as a Gini coefficient corrected for small groups, and the growth of the upper tenth over that
of the median, both against the team's own weeks before. A person's identity across weeks does not exist here, by design: only
order statistics do. Two signals: concentration or lead is up, and outcomes are flat. Needs 20 members in the week: at 20 the
coefficient's standard deviation is 0.084, so that one week alone says little: it must be so in two of three. Absolute values say nothing: healthy services show 0.76 to 0.86 (ServeGen).

Source: Deltas 2003 on the Gini coefficient in small samples; rank contests: Kräkel, Connelly et al. 2014.
"""

from math import exp
from statistics import median
from typing import Final

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import Feature
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import contrast, flat, usd

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 20


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one team at the end of a week."""
    if not snapshot.weeks:
        return Insufficient(0, _MIN_SAMPLE)
    week, earlier = snapshot.weeks[-1], [it for it in snapshot.weeks[-9:-1] if it.people >= _MIN_SAMPLE]
    if week.people < _MIN_SAMPLE:
        return Insufficient(week.people, _MIN_SAMPLE)
    if len(earlier) < 3:
        return Insufficient(len(earlier), 3)
    ordinary = median(it.gini for it in earlier)
    # The standard deviation falls with the root of the group's size: 0.084 at 20, 0.056 at 50.
    noise = max(0.084 * (20 / week.people) ** 0.45, 1.4826 * median(abs(it.gini - ordinary) for it in earlier))
    concentration = (week.gini - ordinary) / noise
    lead = (week.leaders - week.median) - median(it.leaders - it.median for it in earlier)
    grown = week.leaders - median(it.leaders for it in earlier)
    outcomes = contrast(snapshot, Feature.ACCEPTED, None)
    spend = contrast(snapshot, Feature.SPEND, None, counted=False)
    up = 1.0 if spend is None else spend.ratio
    score = min(
        concentration / 1.5, lead / 0.5, grown / 0.4, 2.0 if flat(outcomes, max(1.25, exp(0.6 * grown))) else 0.5
    )
    if score < 1:
        return Clear(max(0.0, score))
    money = snapshot.recent(Feature.SPEND, 7) * max(0.0, 1 - 1 / up)
    cost = f", for about {usd(money)} more a week" if money > 0 else ""
    return Finding(
        score=score, days=7, observed=week.gini, expected=ordinary, sample_size=week.people,
        money_micro_usd=int(money) if money > 0 else None,
        evidence={"lead": lead, "spend_ratio": up},
        summary=(
            f"Use is far more concentrated than in the weeks before, and those who use most pull away{cost}; "
            "outcomes are flat."
        ),
    )  # fmt: skip


DETECTOR: Final = Detector(
    name="leaderboard_race",
    family="gaming",
    rule="concentration of use and lead of the upper tenth against the weeks before, with outcomes flat",
    silent="outcomes that grow with the use of those who use most",
    benign_causes=("a few members on a large migration", "new members who only begin", "one automated account"),
    next_step="Take down rankings of use, if there are any.",
    min_sample=_MIN_SAMPLE,
    detect=detect,
    persistence=(2, 3),
    weekly=True,
    group=20,
    workflow=False,
    after_days=28,
)
