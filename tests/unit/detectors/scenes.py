"""Ten quiet weeks of a team, and behaviours planted into the end of them, as strong as a test asks for."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from streams.core.findings import Finding, Insufficient, Verdict
from streams.core.history import DAYS, FEATURES, Days, Feature, History
from streams.core.pace import Pace
from streams.core.policy import DetectorPolicy
from streams.core.runs import Pattern
from streams.core.snapshot import Organisation, Regular, Snapshot, Week
from streams.core.watches import Watch
from streams.detectors import JUDGES, REGISTRY

#: A Sunday, so that weeks end with it.
DAY: Final = 20_457
TEAM: Final = "zanzibar"
WORKFLOW: Final = "quokka"
SETTING: Final = DetectorPolicy()
#: From nothing to as plain as it gets.
STRENGTHS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)

#: What a team of forty does on an ordinary day.
_ORDINARY: Final = {
    Feature.CALLS: 1_000, Feature.SPEND: 60_000_000, Feature.PRICED: 1_000, Feature.INPUT: 4_000_000,
    Feature.OUTPUT: 500_000, Feature.FINGERPRINTED: 900, Feature.REPEATS: 90, Feature.REPEAT_SPEND: 6_000_000,
    Feature.WITH_RUN: 950, Feature.ATTRIBUTED: 1_000, Feature.UNPRICED: 10, Feature.FREE: 10,
    Feature.REPORTED: 60_000_000, Feature.COMPUTED: 60_000_000, Feature.LOG_RATIO: 2_000_000, Feature.STARTS: 200,
    Feature.OUTCOMES: 30, Feature.ACCEPTED: 24, Feature.REJECTED: 4, Feature.DEFECTS: 2, Feature.CHANGES: 20, Feature.SIZED: 20,
    Feature.LOG_SIZE: 80_000, Feature.REVIEWABLE: 20, Feature.UNREVIEWED: 2, Feature.CYCLES: 24, Feature.LOG_CYCLE: 400_000,
    Feature.PEOPLE: 40,
}  # fmt: skip


def quiet(seed: int = 0) -> Days:
    """Ten weeks in which days differ a little, and nothing else happens."""
    rows = np.zeros((DAYS, FEATURES))
    noise = np.random.default_rng(seed)
    for feature, usual in _ORDINARY.items():
        rows[:, feature] = np.round(usual * noise.normal(1.0, 0.04, DAYS))
    return rows


def history(rows: Days, day: int = DAY) -> History:
    """A history whose last day is ``day``, full from the first row on that holds anything."""
    used = np.flatnonzero(rows.any(axis=1))
    first = None if not len(used) else day - DAYS + 1 + int(used[0])
    return History(day, rows, first)


ORGANISATION: Final = Organisation([history(quiet(seed)) for seed in range(1, 12)])


def weeks(*last: Week, people: int = 40) -> tuple[Week, ...]:
    """Eight ordinary weeks and some more."""
    shape = (0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 2, 2, 1, 1, 0, 0)
    usual = [
        Week(number, people, shape, shape, 0.6 + 0.01 * (number % 3), 12.5, 10.0, 0.6, brief=4, brief_together=1)
        for number in range(2_900, 2_908)
    ]
    return (*usual, *last)


def snapshot(rows: Days, **fields: object) -> Snapshot:
    """The view of a workflow, or with ``workflow=None`` of a team, of forty people."""
    known = {
        "workflow": WORKFLOW, "people": 40, "outcomes_expected": True, "organisation": ORGANISATION, "whole": history(quiet(7)), "weeks": weeks(),
    }  # fmt: skip
    return Snapshot(team=TEAM, day=DAY, history=history(rows), **{**known, **fields})  # type: ignore[arg-type]


def _scaled(rows: Days, feature: Feature, factor: float, days: int = 7) -> None:
    rows[-days:, feature] = np.round(rows[-days:, feature] * factor)


def without_outcomes(strength: float) -> Snapshot:
    """Accepted outcomes fall to a tenth while spend goes up a half."""
    rows = quiet()
    _scaled(rows, Feature.ACCEPTED, 1 - 0.9 * strength)
    _scaled(rows, Feature.SPEND, 1 + 0.5 * strength)
    return snapshot(rows)


def repetition(strength: float) -> Snapshot:
    """From a tenth to six tenths of calls repeat earlier ones."""
    rows = quiet()
    share = 0.1 + 0.5 * strength
    rows[-7:, Feature.REPEATS] = np.round(share * rows[-7:, Feature.FINGERPRINTED])
    rows[-7:, Feature.REPEAT_SPEND] = np.round(share * rows[-7:, Feature.SPEND])
    return snapshot(rows)


def padding(strength: float) -> Snapshot:
    """Calls carry up to four times the input, and cost as much more."""
    rows = quiet()
    rows[-7:, Feature.LOG_RATIO] += np.round(1000 * np.log(1 + 3 * strength) * rows[-7:, Feature.CALLS])
    _scaled(rows, Feature.INPUT, 1 + 3 * strength)
    _scaled(rows, Feature.SPEND, 1 + 3 * strength)
    return snapshot(rows)


def gaming(strength: float) -> Snapshot:
    """Up to three times the outcomes, of a twentieth of the size."""
    rows = quiet()
    for feature in (Feature.ACCEPTED, Feature.OUTCOMES, Feature.CHANGES, Feature.SIZED):
        _scaled(rows, feature, 1 + 2 * strength)
    rows[-7:, Feature.LOG_SIZE] = np.round((4_000 - 3_000 * strength) * rows[-7:, Feature.SIZED])
    return snapshot(rows)


def erosion(strength: float) -> Snapshot:
    """Up to six times the defects, with spend up by a half."""
    rows = quiet()
    _scaled(rows, Feature.DEFECTS, 1 + 5 * strength)
    _scaled(rows, Feature.SPEND, 1 + 0.5 * strength)
    return snapshot(rows)


def clockwork(strength: float) -> Snapshot:
    """Up to two hundred beginnings by the clock, for up to half of the spend of a workflow that comes to nothing."""
    rows = quiet()
    for feature in (Feature.ACCEPTED, Feature.OUTCOMES):
        rows[:, feature] = 0
    spend = int(0.5 * strength * rows[-7:, Feature.SPEND].sum())
    starts = int(200 * strength)
    regular = Regular(starts, int(starts > 0), starts, spend, starts * 100, 1_800, 980)
    return snapshot(rows, regular=regular)


def chase(strength: float) -> Snapshot:
    """Up to twenty-five of forty people end their week just above the target."""
    above = int(25 * strength)
    near = (0, 0, 1, 1, 2, 2, 2, 1, 1 + above, 2, 2, 1, 1, 0, 0, 0)
    return snapshot(quiet(), workflow=None, weeks=weeks(Week(2_908, 40, near, (), 0.6, 12.5, 10.0, 0.6, 4, 1)))


def theatre(strength: float) -> Snapshot:
    """Up to thirty of forty people make a few calls on the same day, and that was it."""
    brief = 4 + int(26 * strength)
    week = Week(2_908, 40, (), (), 0.6, 12.5, 10.0, 0.6, brief, brief - 2)
    return snapshot(quiet(), workflow=None, weeks=weeks(week))


def race(strength: float) -> Snapshot:
    """Those at the top use up to seven times as much, and everybody else what they did."""
    week = Week(2_908, 40, (), (), 0.61 + 0.3 * strength, 12.5 + 2 * strength, 10.0, 0.6 + 0.3 * strength, 4, 1)
    rows = quiet()
    _scaled(rows, Feature.SPEND, 1 + 2 * strength)
    return snapshot(rows, workflow=None, weeks=weeks(week))


def unpriced(strength: float) -> Snapshot:
    """For two days up to six tenths of calls have no price."""
    rows = quiet()
    rows[-2:, Feature.UNPRICED] += np.round(0.6 * strength * rows[-2:, Feature.CALLS])
    return snapshot(rows, workflow=None)


def looping(strength: float) -> Verdict:
    """A run makes one call up to two hundred times, for up to forty dollars."""
    watch = Watch(TEAM, WORKFLOW, 1)
    watch.typical_run, watch.dearest_run = 500_000, 4_000_000
    spend = int(40_000_000 * strength)
    return JUDGES.run(watch, Pattern.REPEATED, int(200 * strength), spend, spend + 1, 0)


def burning(strength: float) -> Verdict:
    """After two weeks of forty dollars a day, up to seven hundred in an hour, of a budget of twelve hundred."""
    pace = Pace()
    for day in range(15):
        for step in range(288):
            pace.count(day * 288 + step, 140_000, 2)
        pace.learn(day)
    last = 15 * 288
    for step in range(last, last + 12):
        pace.count(step, 140_000 + int(60_000_000 * strength), 30)
    every, judge = JUDGES.tiers[0]
    assert every == 1
    return judge(pace, 1_200_000_000, last + 11)


#: What is planted for each detector, and how it is asked.
SCENES: Final[dict[str, Callable[[float], Snapshot]]] = {
    "data_problems": unpriced,
    "busywork_automation": clockwork,
    "redundant_work": repetition,
    "context_padding": padding,
    "outcome_gaming": gaming,
    "target_chasing": chase,
    "adoption_theatre": theatre,
    "leaderboard_race": race,
    "quality_erosion": erosion,
    "spend_without_outcomes": without_outcomes,
}
FAST: Final[dict[str, Callable[[float], Verdict]]] = {"runaway": looping, "budget_burn": burning}


def ask(name: str, scene: Snapshot, setting: DetectorPolicy = SETTING) -> Verdict:
    """The verdict of a detector of the slow path."""
    detector = JUDGES.detector(name)
    assert detector.detect is not None
    return detector.detect(replace(scene, memory={}), setting)


def verdict_on(name: str, strength: float) -> Verdict:
    """What a detector says of its own behaviour."""
    return FAST[name](strength) if name in FAST else ask(name, SCENES[name](strength))


def score_of(verdict: Verdict) -> float:
    """How strong the evidence is; too little of it is none."""
    return 0.0 if isinstance(verdict, Insufficient) else verdict.score


def findings(names: Sequence[str] = tuple(it.name for it in REGISTRY)) -> dict[str, Finding]:
    """What detectors say of the plainest case."""
    found = {name: verdict_on(name, 1.0) for name in names}
    return {name: it for name, it in found.items() if isinstance(it, Finding)}
