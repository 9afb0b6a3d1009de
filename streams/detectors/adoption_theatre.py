"""Adoption theatre: many touch the tool once, on the same day, and that was it.

The share of the week's members who were at work on one day only with a few calls, against the weeks before, by an exact
binomial test. Two signals: that share is up, and the touches fall on one day, while outcomes do not rise. Needs 12 members
at work in the week; with 20 a share of 60 % against 20 % is seen with a power of 0.94 at alpha 0.01.

Source: exact binomial test; Microsoft's vivainsights for the vocabulary of habits.
"""

from typing import Final

from streams.core.findings import Clear, Detector, Finding, Insufficient, Verdict
from streams.core.history import Feature
from streams.core.policy import DetectorPolicy
from streams.core.snapshot import Snapshot
from streams.detectors.statistics import binomial_tail, contrast, flat, rarity

__all__ = ["DETECTOR"]

_MIN_SAMPLE: Final = 12
_ALPHA: Final = 0.002


def detect(snapshot: Snapshot, params: DetectorPolicy) -> Verdict:
    """Judge one team at the end of a week."""
    if not snapshot.weeks:
        return Insufficient(0, _MIN_SAMPLE)
    week, earlier = snapshot.weeks[-1], snapshot.weeks[-9:-1]
    if week.people < _MIN_SAMPLE:
        return Insufficient(week.people, _MIN_SAMPLE)
    if len(earlier) < 2:
        return Insufficient(len(earlier), 2)
    people, brief = sum(it.people for it in earlier), sum(it.brief for it in earlier)
    ordinary = min(0.9, (brief + 0.5) / (people + 1))
    chance = binomial_tail(week.brief, week.people, ordinary)
    share = week.brief / week.people
    together = week.brief_together / week.brief if week.brief else 0.0
    outcomes = contrast(snapshot, Feature.ACCEPTED, None)
    grown = week.people * len(earlier) / max(1, people)
    score = min(
        2.0, rarity(chance, params.alpha or _ALPHA), (share - ordinary) / 0.2, share / ordinary / 1.6, together / 0.4,
        2.0 if flat(outcomes, 1.3 * max(1.0, grown)) else 0.5,
    )  # fmt: skip
    if score < 1:
        return Clear(max(0.0, score))
    return Finding(
        score=score, chance=chance, days=7, observed=share, expected=ordinary, sample_size=week.people, money_micro_usd=None,
        evidence={"chance": chance, "on_one_day": together},
        summary=(
            f"{share:.0%} of the members at work this week made a few calls on a single day where {ordinary:.0%} is ordinary; "
            f"{together:.0%} of them on the same day."
        ),
    )  # fmt: skip


DETECTOR: Final = Detector(
    name="adoption_theatre",
    family="gaming",
    rule="members who did the least that counts as use, against the weeks before",
    silent="people who come back on other days",
    benign_causes=("a training day", "a wave of new members", "holidays"),
    next_step="Look at depth of use instead of the number of users; ask what keeps people from coming back.",
    min_sample=_MIN_SAMPLE,
    detect=detect,
    persistence=(1, 1),
    weekly=True,
    group=10,
    workflow=False,
    after_days=21,
)
